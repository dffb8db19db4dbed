/** The package's entry for a page: the same engine over the browser's own WebGPU. */
export * from './public.ts'
