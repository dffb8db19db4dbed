import { constants } from 'node:os'
import { adapterName, isSoftwareAdapter, NoAdapterError, type Platform } from './adapter.ts'
import { adapterNames, dawnChoice, nameOfAdapter } from './choose.node.ts'
import { softwareGpu } from './software.node.ts'
import { fileTuneStore } from './tune-store.node.ts'

/** Which adapter the user wants (environment variable VOXPLAIN_ADAPTER): hardware first, or only one of the two. */
type Wish = 'auto' | 'hardware' | 'software'

/** By its command line and driver. Held, because Dawn stops working on its promises once the GPU object is collected. */
const dawns = new Map<string, GPU>()

/**
 * WebGPU in Node: Dawn, from the npm package `webgpu`.
 *
 * Environment variables:
 * - `VOXPLAIN_ADAPTER`: `auto` (default: hardware first, then software), `hardware`, or `software`.
 * - `VOXPLAIN_DAWN_TOGGLES`: Dawn toggles to switch on, or off with a leading `-`, separated by commas,
 *   e.g. `skip_validation,disable_robustness`. They come after the toggles of the request.
 * - `VOXPLAIN_GPU`: number of the adapter, from 0, on a machine with several (see `voxplain doctor`). It is one of those that
 *   VOXPLAIN_ADAPTER and the drivers below leave.
 * - `VK_DRIVER_FILES` (or its old name `VK_ICD_FILENAMES`): the Vulkan driver to use, by the path of its manifest. It is
 *   tried first, also for `VOXPLAIN_ADAPTER=software`: that is how to compute on Mesa's lavapipe.
 */
export const nodePlatform: Platform = {
  name: 'node',
  async requestAdapter({ toggles = [] } = {}) {
    const wish = readWish()
    const { create, globals } = await import('webgpu')
    Object.assign(globalThis, globals)
    const options = dawnOptions([...toggles, ...(process.env.VOXPLAIN_DAWN_TOGGLES ?? '').split(',')])
    const number = process.env.VOXPLAIN_GPU
    // One Dawn for all devices with the same options: a second one shares the driver's threads, and they do not agree.
    const find = async (): Promise<GPUAdapter | null> => {
      const key = [...options, namedDriver(), number].join(' ')
      let dawn = dawns.get(key)
      if (!dawn) {
        const names = number ? await adapterNames(create) : []
        if (number && names.length === 0) return null
        dawn = create([...options, ...(number ? dawnChoice(nameOfAdapter(names, number)) : [])])
      }
      const adapter = await dawn.requestAdapter({ powerPreference: 'high-performance' })
      if (adapter) dawns.set(key, dawn)
      return adapter
    }
    const named = namedDriver()
    const found = (wish !== 'software' || named) && mayHaveDriver() ? await find() : null
    if (found && !isSoftwareAdapter(found) && wish !== 'software') return found
    if (wish === 'hardware') {
      throw new NoAdapterError(
        `No hardware GPU found (VOXPLAIN_ADAPTER=hardware${found ? `; there is only ${adapterName(found)}` : ''}). ` +
          'Install its Vulkan driver, or leave VOXPLAIN_ADAPTER out to compute on the CPU.',
      )
    }
    const usable = found && isSoftwareAdapter(found) ? found : null
    const adapter = usable ?? (loadSoftwareGpu() ? await find() : null)
    if (!adapter) throw new NoAdapterError(noAdapterMessage())
    announce(
      adapter,
      wish === 'software' || number ? 'as asked' : `no hardware GPU found${named ? ` with the driver ${named}` : ''}`,
    )
    return adapter
  },
  winners: fileTuneStore,
  close() {
    dawns.clear()
  },
}

/** Names of the adapters that VOXPLAIN_GPU counts. */
export async function listAdapters(): Promise<string[]> {
  const { create } = await import('webgpu')
  if ((readWish() === 'software' && !namedDriver()) || !mayHaveDriver()) loadSoftwareGpu()
  const names = mayHaveDriver() ? await adapterNames(create) : []
  return names.length === 0 && loadSoftwareGpu() ? adapterNames(create) : names
}

function readWish(): Wish {
  const wish = process.env.VOXPLAIN_ADAPTER || 'auto'
  if (wish === 'auto' || wish === 'hardware' || wish === 'software') return wish
  throw new NoAdapterError(`VOXPLAIN_ADAPTER is "${wish}". Use auto, hardware or software.`)
}

/** Dawn's own command line. NVIDIA's Linux driver has f16 that Dawn hides unless asked. */
function dawnOptions(toggles: readonly string[]): string[] {
  const names = toggles.map((toggle) => toggle.trim()).filter(Boolean)
  const on = ['vulkan_enable_f16_on_nvidia', ...names.filter((name) => !name.startsWith('-'))]
  const off = names.filter((name) => name.startsWith('-')).map((name) => name.slice(1))
  return [`enable-dawn-features=${on}`, ...(off.length ? [`disable-dawn-features=${off}`] : [])]
}

/** The driver that the environment names, for Khronos' Vulkan loader. */
function namedDriver(): string | undefined {
  return process.env.VK_DRIVER_FILES || process.env.VK_ICD_FILENAMES
}

/** False where Dawn would only complain on stderr that there is no Vulkan library. */
function mayHaveDriver(): boolean {
  return process.platform !== 'linux' || loadVulkan(namedDriver() !== undefined)
}

/** Loads the Vulkan loader: the system's, or, where it has none and `own` is set, that of our npm dependency. */
function loadVulkan(own: boolean): boolean {
  return loadLibrary('libvulkan.so.1') || (own && loadLibrary(softwareGpu()?.library))
}

/**
 * Makes the software GPU of our npm dependency the Vulkan driver of this process.
 *
 * Dawn opens `libvulkan.so.1` by name. A library of that name that is already loaded is found first, so loading ours
 * by path is enough where the system has none: no need to start the process again with another LD_LIBRARY_PATH.
 */
function loadSoftwareGpu(): boolean {
  const software = softwareGpu()
  if (!software || !loadVulkan(true)) return false
  process.env.VK_DRIVER_FILES = software.driver
  process.env.VK_ICD_FILENAMES = software.driver
  return true
}

/** Loads a shared library that is no Node addon, and keeps it loaded. Returns whether it could be loaded. */
function loadLibrary(path: string | undefined): boolean {
  if (path === undefined) return false
  const RTLD_NODELETE = 0x1000
  try {
    process.dlopen({ exports: {} }, path, constants.dlopen.RTLD_NOW | RTLD_NODELETE)
    return true
  } catch (error) {
    // Node loads it, then misses the addon's registration. Any other message is the loader's own: not found, wrong CPU.
    return String(error).includes('did not self-register')
  }
}

/** Says it once, and once for all processes that this one starts. */
function announce(adapter: GPUAdapter, why: string): void {
  if (process.env.VOXPLAIN_SOFTWARE_ANNOUNCED) return
  process.env.VOXPLAIN_SOFTWARE_ANNOUNCED = '1'
  process.stderr.write(`voxplain: ${why}; using the software adapter ${adapterName(adapter)} (slow)\n`)
}

function noAdapterMessage(): string {
  return process.platform === 'linux' && process.arch === 'x64'
    ? 'No GPU adapter found, and the software adapter could not be loaded. Install it with ' +
        '`npm install @sparticuz/chromium`, or install a Vulkan driver.'
    : `No GPU adapter found, and there is no software adapter for ${process.platform}-${process.arch}. ` +
        'Install the GPU driver of this machine.'
}
