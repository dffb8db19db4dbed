/**
 * Data that is not part of the repository, read in the same way in Node and in a page. It lies in ../shared/data
 * beside the checkout, or where VOXPLAIN_DATA says; the test runner serves that folder to the browser under /data/.
 */

/** The bytes of a file by its path under the data folder, e.g. 'onnx/conv.json'; undefined where it is missing. */
export async function loadData(path: string): Promise<Uint8Array | undefined> {
  if (typeof window === 'undefined') return readFromDisk(path)
  const response = await fetch(`/data/${path}`)
  return response.ok ? new Uint8Array(await response.arrayBuffer()) : undefined
}

/** Says why a test does not run. The test runner counts the line; the test should return right after. */
export function skip(reason: string): void {
  console.log(`skipped: ${reason}`)
}

/** Reports bits that must be the same in Node and in the browser, e.g. a digest of a result. The runner compares. */
export function reportHash(name: string, hex: string): void {
  console.log(`HASH ${name.replaceAll(' ', '_')} ${hex}`)
}

/** The specifier is not a literal, so that the bundler for the browser leaves it alone. */
async function readFromDisk(path: string): Promise<Uint8Array | undefined> {
  const module = 'node:fs/promises'
  const { readFile } = (await import(module)) as typeof import('node:fs/promises')
  const folder = process.env.VOXPLAIN_DATA
  const base = folder ? `${folder}/` : new URL('../../../shared/data/', import.meta.url)
  const bytes = readFile(typeof base === 'string' ? base + path : new URL(path, base))
  return bytes.then(
    (buffer) => new Uint8Array(buffer),
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined
      throw error
    },
  )
}
