/** Output files: their names, whether they can be written at all, and writing those that belong together. */
import { mkdir, open, unlink } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { InputError } from '../io/errors.ts'
import { writeFileAtomic } from '../io/files.node.ts'
import { sweepTemporaries, temporaryName } from '../io/temporary.node.ts'

/** A scan's file name without folder and .nii or .nii.gz. */
export function stemOf(path: string): string {
  return basename(path).replace(/\.nii(\.gz)?$/i, '')
}

/**
 * Makes a folder if it is missing, and finds out whether files can be made in it. What the permissions say is not
 * enough: a disk may be read-only, and the superuser passes them all. Takes away what killed processes left half written.
 * @throws InputError when not
 */
export async function requireWritable(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true })
    const probe = join(folder, temporaryName())
    await (await open(probe, 'wx')).close()
    await unlink(probe)
    await sweepTemporaries(folder)
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    const file = code === 'ENOTDIR' || code === 'EEXIST'
    const why = file ? 'a part of its path is a file, not a folder' : (code ?? message)
    throw new InputError(`the output folder ${folder} cannot be written (${why}); choose another --out`, {
      cause: error,
    })
  }
}

/** The same for the folder of a file. */
export function requireWritableFile(path: string): Promise<void> {
  return requireWritable(dirname(path))
}

/** Writes files that belong together, in order. When one fails, those before it are taken away again. */
export async function writeTogether(files: readonly { path: string; bytes: Uint8Array | string }[]): Promise<void> {
  const written: string[] = []
  try {
    for (const { path, bytes } of files) {
      await writeFileAtomic(path, bytes)
      written.push(path)
    }
  } catch (error) {
    for (const path of written) await unlink(path).catch(() => undefined)
    throw error
  }
}
