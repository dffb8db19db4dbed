import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { homedir, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { brotliDecompressSync } from 'node:zlib'

/** SwiftShader, a Vulkan driver that computes on the CPU, unpacked on disk. */
export interface SoftwareGpu {
  /** Path of the Vulkan loader, `libvulkan.so.1`. */
  readonly library: string
  /** Path of the driver's manifest, for VK_DRIVER_FILES. */
  readonly driver: string
}

const LIBRARY = 'libvulkan.so.1'
const DRIVER = 'vk_swiftshader_icd.json'
const NEEDED = [LIBRARY, 'libvk_swiftshader.so', DRIVER]

/**
 * The software GPU that comes with the optional dependency `@sparticuz/chromium` (linux-x64), unpacked to a cache
 * folder on the first call. Undefined where the package, or a build for this machine, is missing.
 */
export function softwareGpu(): SoftwareGpu | undefined {
  if (process.platform !== 'linux' || process.arch !== 'x64') return undefined
  const home = packageFolder()
  if (!home) return undefined
  const { version } = JSON.parse(readFileSync(join(home, 'package.json'), 'utf8')) as { version: string }
  const name = `swiftshader-${version}`
  const known = cacheFolders().map((folder) => join(folder, name))
  const folder = known.find(isComplete) ?? unpack(join(home, 'bin', 'swiftshader.tar.br'), name)
  return { library: join(folder, LIBRARY), driver: join(folder, DRIVER) }
}

/** The package exports only its code, so we find that and walk up. */
function packageFolder(): string | undefined {
  try {
    const main = createRequire(import.meta.url).resolve('@sparticuz/chromium')
    return dirname(dirname(dirname(main)))
  } catch {
    return undefined
  }
}

/** Where to keep unpacked files, best first; the last needs no home folder. */
function cacheFolders(): string[] {
  const own = process.env.XDG_CACHE_HOME || join(homedir(), '.cache')
  return [join(own, 'voxplain'), join(tmpdir(), `voxplain-${process.getuid?.()}`)]
}

/** We load code from here, so it must be ours: others can write to the temporary folder too. */
function isComplete(folder: string): boolean {
  return existsSync(join(folder, DRIVER)) && lstatSync(folder).uid === process.getuid?.()
}

/** Unpacks beside the final place and renames, so that of two processes one wins and none sees half a folder. */
function unpack(archive: string, name: string): string {
  const files = readTar(brotliDecompressSync(readFileSync(archive)))
  const faults: string[] = []
  for (const parent of cacheFolders()) {
    const folder = join(parent, name)
    let temporary: string | undefined
    try {
      mkdirSync(parent, { recursive: true, mode: 0o700 })
      temporary = mkdtempSync(`${folder}.`)
      for (const file of NEEDED) writeFileSync(join(temporary, file), files.get(file)!, { mode: 0o755 })
      chmodSync(temporary, 0o755)
      renameSync(temporary, folder)
      return folder
    } catch (error) {
      if (temporary) rmSync(temporary, { recursive: true, force: true })
      if (isComplete(folder)) return folder
      faults.push(String(error))
    }
  }
  throw new Error(
    `Cannot unpack the software GPU; set XDG_CACHE_HOME to a folder that can be written. ${faults.join('; ')}`,
  )
}

/** Files of a tar archive by name. Enough for plain ustar entries: 512-byte headers, octal sizes. */
function readTar(tar: Uint8Array): Map<string, Uint8Array> {
  const text = (from: number, length: number): string =>
    String.fromCharCode(...tar.subarray(from, from + length)).replace(/\0.*$/s, '')
  const files = new Map<string, Uint8Array>()
  for (let at = 0; at + 512 <= tar.length && tar[at] !== 0; ) {
    const size = Number.parseInt(text(at + 124, 12), 8)
    files.set(text(at, 100).replace(/^\.\//, ''), tar.subarray(at + 512, at + 512 + size))
    at += 512 + 512 * Math.ceil(size / 512)
  }
  return files
}
