import { NoAdapterError, type Platform } from './adapter.ts'
import { indexedDbTuneStore } from './tune-store.browser.ts'

/** The browser's own WebGPU. */
export const browserPlatform: Platform = {
  name: 'browser',
  async requestAdapter() {
    const gpu = globalThis.navigator?.gpu
    if (!gpu) throw new NoAdapterError(whyMissing())
    const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' })
    if (adapter) return adapter
    throw new NoAdapterError(
      'This browser has WebGPU but offers no adapter: hardware acceleration is switched off or the GPU is blocked. ' +
        'Switch it on in the settings (in Chromium see chrome://gpu) and load the page again.',
    )
  },
  winners: indexedDbTuneStore,
  close() {},
}

function whyMissing(): string {
  return globalThis.isSecureContext === false
    ? `WebGPU needs a secure page, and ${globalThis.location?.origin} is not one: serve it over https or from localhost.`
    : 'This browser has no WebGPU. Use Chrome or Edge 113, Safari 26, Firefox 141 or newer.'
}
