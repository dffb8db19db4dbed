/** What a place to run in (Node, a browser) must offer, and words about GPU adapters. */
import type { TuneStore } from './tune-store.ts'

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
  /** Where the winners of tuning are kept between sessions. */
  readonly winners: TuneStore
  /** Lets go of the GPU, so that a process can end. Destroy devices first. Safe to call twice. */
  close(): void
}

/** There is no usable GPU adapter. The message says what was looked for and what to do. */
export class NoAdapterError extends Error {
  override name = 'NoAdapterError'
}

/** True for an adapter that computes on the CPU: SwiftShader, lavapipe, WARP. */
export function isSoftwareAdapter({ info }: GPUAdapter): boolean {
  const text = `${info.vendor} ${info.architecture} ${info.device} ${info.description}`
  return info.isFallbackAdapter || /swiftshader|llvmpipe|lavapipe|basic render|software|cpu/i.test(text)
}

/** A short name of an adapter for people: "SwiftShader", "NVIDIA H100". */
export function adapterName({ info }: GPUAdapter): string {
  if (/swiftshader/i.test(`${info.architecture} ${info.device}`)) return 'SwiftShader'
  return info.device || info.description || `${info.vendor} ${info.architecture}`.trim() || 'unnamed GPU'
}
