/** Small tables and files in a temporary folder (Node only). */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { InputError } from '../../src/io/errors.ts'

/** A suite whose tests get a folder of their own. */
export function folderSuite(name: string) {
  const test = suite(name, { folder: '' })
  test.before.each(async (context) => {
    context.folder = await mkdtemp(join(tmpdir(), 'voxplain-cohort-'))
  })
  test.after.each(async ({ folder }) => {
    await rm(folder, { recursive: true, force: true })
  })
  return test
}

/** Asserts an InputError whose message has all the patterns. */
export async function refuses(promise: Promise<unknown>, ...patterns: RegExp[]): Promise<void> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason as Error,
  )
  assert.instance(error, InputError)
  for (const pattern of patterns) assert.match(error!.message, pattern)
}

/** Writes a file; its folder is made. */
export async function put(path: string, content: Uint8Array | string = ''): Promise<string> {
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, content)
  return path
}

/** Writes a table from lines of cells with blanks between them. */
export function table(folder: string, ...lines: string[]): Promise<string> {
  return put(join(folder, 'c.tsv'), lines.map((line) => line.replace(/ +/g, '\t')).join('\n'))
}
