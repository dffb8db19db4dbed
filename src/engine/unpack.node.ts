import { existsSync, lstatSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { homedir, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { brotliDecompressSync } from 'node:zlib'

/** The npm package that carries a headless Chromium and SwiftShader for linux-x64, as brotli archives. */
export interface ChromiumPackage {
  readonly version: string
  /** Decompressed content of an archive in its `bin` folder. */
  read(archive: string): Buffer
}

/** The optional dependency `@sparticuz/chromium`; undefined where it, or a build for this machine, is missing. */
export function chromiumPackage(): ChromiumPackage | undefined {
  if (process.platform !== 'linux' || process.arch !== 'x64') return undefined
  try {
    // The package exports only its code, build/cjs/index.cjs, so we find that and walk up.
    const home = dirname(dirname(dirname(createRequire(import.meta.url).resolve('@sparticuz/chromium'))))
    const { version } = JSON.parse(readFileSync(join(home, 'package.json'), 'utf8')) as { version: string }
    return { version, read: (archive) => brotliDecompressSync(readFileSync(join(home, 'bin', archive))) }
  } catch {
    return undefined
  }
}

/**
 * A folder of the user's cache that `fill` has filled, once for all processes and runs.
 * Filled beside its final place and renamed, so that of two processes one wins and none sees half a folder.
 * @throws Error when no cache folder can be written.
 */
export function unpackOnce(name: string, fill: (folder: string) => void): string {
  const parents = cacheFolders()
  const known = parents.map((parent) => join(parent, name)).find(isOurs)
  if (known) return known
  const faults: string[] = []
  for (const parent of parents) {
    const folder = join(parent, name)
    let temporary: string | undefined
    try {
      mkdirSync(parent, { recursive: true, mode: 0o700 })
      temporary = mkdtempSync(`${folder}.`)
      fill(temporary)
      renameSync(temporary, folder)
      return folder
    } catch (error) {
      if (temporary) rmSync(temporary, { recursive: true, force: true })
      if (isOurs(folder)) return folder
      faults.push(error instanceof Error ? error.message : String(error))
    }
  }
  throw new Error(`Cannot unpack ${name}; set XDG_CACHE_HOME to a folder that can be written. ${faults.join('; ')}`)
}

/** Where to keep unpacked files, best first; the last one needs no home folder. */
function cacheFolders(): string[] {
  const own = process.env.XDG_CACHE_HOME || (existsSync(homedir()) && join(homedir(), '.cache'))
  return [...(own ? [join(own, 'voxplain')] : []), join(tmpdir(), `voxplain-${process.getuid?.()}`)]
}

/** Code is run from these folders, so they must be ours: others can write to the temporary folder too. */
function isOurs(folder: string): boolean {
  return existsSync(folder) && lstatSync(folder).uid === process.getuid?.()
}

/** Files of a tar archive by name. Enough for plain ustar entries: 512-byte headers, octal sizes; links are left out. */
export function readTar(tar: Uint8Array): Map<string, Uint8Array> {
  const text = (from: number, length: number): string =>
    String.fromCharCode(...tar.subarray(from, from + length)).replace(/\0.*$/s, '')
  const files = new Map<string, Uint8Array>()
  for (let at = 0; at + 512 <= tar.length && tar[at] !== 0; ) {
    const size = Number.parseInt(text(at + 124, 12), 8)
    const isFile = ['', '0'].includes(text(at + 156, 1))
    if (isFile) files.set(text(at, 100).replace(/^\.\//, ''), tar.subarray(at + 512, at + 512 + size))
    at += 512 + 512 * Math.ceil(size / 512)
  }
  return files
}
