/**
 * Where the GPU comes from: Dawn in Node (`platform.node.ts`), `navigator.gpu` in a browser (`platform.browser.ts`).
 * The rest of the engine sees only this file.
 */

export interface AdapterRequest {
  /**
   * Dawn toggles to switch on, or off with a leading `-`, e.g. `['skip_validation', 'disable_robustness']`.
   * Node only; a browser has no such switch and ignores them.
   */
  toggles?: readonly string[]
}

export interface Platform {
  readonly name: 'node' | 'browser'
  /** The best adapter there is, with `GPUBufferUsage` and its like in the global scope. Throws NoAdapterError. */
  requestAdapter(request?: AdapterRequest): Promise<GPUAdapter>
  /** Lets go of the GPU, so that a process can end. Destroy devices first. Safe to call twice. */
  close(): void
}

/** There is no usable GPU adapter. The message says what was looked for and what to do. */
export class NoAdapterError extends Error {
  override name = 'NoAdapterError'
}

let chosen: Platform | undefined

/** Sets the platform by hand. The package's Node entry does, so that an application bundled for Node still works. */
export function usePlatform(platform: Platform): void {
  chosen = platform
}

/** The platform of the place we run in. */
export async function platform(): Promise<Platform> {
  chosen ??= isNode() ? await nodePlatform() : (await import('./platform.browser.ts')).browserPlatform
  return chosen
}

/** An adapter of this platform: hardware first, software where there is none. Throws NoAdapterError. */
export async function requestGpuAdapter(request?: AdapterRequest): Promise<GPUAdapter> {
  return (await platform()).requestAdapter(request)
}

/** Lets go of the GPU, so that a Node process can end. Destroy devices first. */
export function closePlatform(): void {
  chosen?.close()
}

/** True for an adapter that computes on the CPU: SwiftShader, lavapipe, WARP. */
export function isSoftwareAdapter({ info }: GPUAdapter): boolean {
  const text = `${info.vendor} ${info.architecture} ${info.device} ${info.description}`
  return info.isFallbackAdapter || /swiftshader|llvmpipe|lavapipe|basic render/i.test(text)
}

function isNode(): boolean {
  return typeof process !== 'undefined' && process.release?.name === 'node' && typeof window === 'undefined'
}

/** The specifier is not a literal, so that no bundler for the browser follows it into Node's modules. */
async function nodePlatform(): Promise<Platform> {
  const file = './platform.node.ts'
  const module: typeof import('./platform.node.ts') = await import(/* @vite-ignore */ /* webpackIgnore: true */ file)
  return module.nodePlatform
}
