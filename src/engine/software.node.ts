import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { chromiumPackage, readTar, unpackOnce } from './unpack.node.ts'

/** SwiftShader, a Vulkan driver that computes on the CPU, unpacked on disk. */
export interface SoftwareGpu {
  /** Path of the Vulkan loader, `libvulkan.so.1`. */
  readonly library: string
  /** Path of the driver's manifest, for VK_DRIVER_FILES. */
  readonly driver: string
}

const LIBRARY = 'libvulkan.so.1'
const DRIVER = 'vk_swiftshader_icd.json'

/**
 * The software GPU that comes with the optional dependency `@sparticuz/chromium` (linux-x64), unpacked to a cache
 * folder on the first call. Undefined where the package, or a build for this machine, is missing.
 */
export function softwareGpu(): SoftwareGpu | undefined {
  const chromium = chromiumPackage()
  if (!chromium) return undefined
  const folder = unpackOnce(`swiftshader-${chromium.version}`, (target) => {
    const files = readTar(chromium.read('swiftshader.tar.br'))
    for (const name of [LIBRARY, 'libvk_swiftshader.so', DRIVER]) writeFileSync(join(target, name), files.get(name)!)
  })
  return { library: join(folder, LIBRARY), driver: join(folder, DRIVER) }
}
