/**
 * Files on disk (Node only): reading with plain-language errors, writing without half-written results.
 */

import { open, readFile, rename, stat, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { InputError } from './errors.ts'
import { type NiftiVolume, type ReadOptions, readVolume } from './nifti.ts'
import { temporaryName } from './temporary.node.ts'

const CAUSES: Record<string, string> = {
  ENOENT: 'does not exist; check the path',
  ENOTDIR: 'cannot exist: a part of its path is a file, not a folder',
  EISDIR: 'is a folder, not a file',
  EACCES: 'may not be accessed: permission denied',
  EPERM: 'may not be accessed: permission denied',
  EROFS: 'is on a read-only file system',
  ENOSPC: 'could not be written: the disk is full',
  EDQUOT: 'could not be written: the disk quota is used up',
  ENAMETOOLONG: 'has a name too long for this file system',
  ELOOP: 'is a symbolic link that leads to itself',
  ERR_FS_FILE_TOO_LARGE: 'is larger than 2 GiB, more than can be read at once',
}

function explain(path: string, error: unknown): InputError {
  const { code, message } = error as NodeJS.ErrnoException
  return new InputError(`${path} ${CAUSES[code ?? ''] ?? `failed: ${message}`}`, { cause: error })
}

/**
 * The bytes of a file.
 * @throws InputError naming the path when it is missing, a folder, or may not be read
 */
export async function readFileChecked(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path)
  } catch (error) {
    throw explain(path, error)
  }
}

/**
 * A NIfTI volume from a file (see readVolume).
 * @throws InputError naming the path: unreadable file, or not a usable volume
 */
export async function readVolumeFile(path: string, options: ReadOptions = {}): Promise<NiftiVolume> {
  return readVolume(await readFileChecked(path), { name: path, ...options })
}

/**
 * Writes a file as a whole or not at all: into a temporary name in the same folder, flushed, then renamed over `path`.
 * On failure the temporary file is removed and an earlier file at `path` is untouched.
 * @throws InputError when the folder is missing or not writable, `path` is a folder, or the disk is full
 */
export async function writeFileAtomic(path: string, bytes: Uint8Array | string): Promise<void> {
  const folder = dirname(path)
  try {
    if (!(await stat(folder)).isDirectory()) throw new InputError(`${folder} is a file, not a folder to write into`)
  } catch (error) {
    if (error instanceof InputError) throw error
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT'
    throw missing ? new InputError(`the folder ${folder} does not exist; create it first`) : explain(folder, error)
  }
  const temporary = join(folder, temporaryName())
  try {
    const file = await open(temporary, 'wx')
    try {
      await file.writeFile(bytes)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, path)
  } catch (error) {
    await unlink(temporary).catch(() => undefined)
    const code = (error as NodeJS.ErrnoException).code
    if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS') {
      throw new InputError(`the folder ${folder} is not writable (${code}); choose another output folder`, {
        cause: error,
      })
    }
    throw explain(path, error)
  }
}
