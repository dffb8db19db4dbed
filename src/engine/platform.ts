/**
 * Where the GPU comes from: Dawn in Node (`platform.node.ts`), `navigator.gpu` in a browser (`platform.browser.ts`).
 * The rest of the engine sees only this file.
 */
import type { AdapterRequest, Platform } from './adapter.ts'
import type { TuneStore } from './tune-store.ts'

let chosen: Platform | undefined

/** Sets the platform by hand. The package's Node entry does, so that an application bundled for Node still works. */
export function usePlatform(platform: Platform): void {
  chosen = platform
}

/** An adapter of this place: hardware first, software where there is none. Throws NoAdapterError. */
export async function requestGpuAdapter(request?: AdapterRequest): Promise<GPUAdapter> {
  return (await platform()).requestAdapter(request)
}

/** Where this place keeps the winners of tuning. */
export async function tuneStore(): Promise<TuneStore> {
  return (await platform()).winners
}

/** Lets go of the GPU, so that a Node process can end. Destroy devices first. */
export function closePlatform(): void {
  chosen?.close()
}

async function platform(): Promise<Platform> {
  chosen ??= isNode() ? await nodePlatform() : (await import('./platform.browser.ts')).browserPlatform
  return chosen
}

function isNode(): boolean {
  return typeof process !== 'undefined' && process.release?.name === 'node' && typeof window === 'undefined'
}

/** The specifier is not a literal, so that no bundler for the browser follows it into Node's modules. */
async function nodePlatform(): Promise<Platform> {
  const file = './platform.node.ts'
  const module = (await import(/* @vite-ignore */ /* webpackIgnore: true */ file)) as { nodePlatform: Platform }
  return module.nodePlatform
}
