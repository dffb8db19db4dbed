/** What both entries of the package offer, in Node and on a page. */
export { adapterName, isSoftwareAdapter, NoAdapterError } from './engine/adapter.ts'
export { closePlatform, requestGpuAdapter } from './engine/platform.ts'
