/** The worker's GPU: opened when it is first needed, and once more when the device is lost. */
import { GpuError } from '../../src/engine/errors.ts'
import { type Gpu, openGpu } from '../../src/engine/gpu.ts'

export interface GpuHolder {
  /** The GPU, opened if need be. @throws NoAdapterError where there is no WebGPU */
  get(): Promise<Gpu>
  /** Runs work on the GPU; when the device is lost meanwhile it is opened anew and the work done a second time. */
  use<T>(work: (gpu: Gpu) => Promise<T>): Promise<T>
}

/** @param onLost called before the GPU is opened anew: what was compiled for it is gone */
export function holdGpu(onLost: () => void): GpuHolder {
  let opening: Promise<Gpu> | undefined
  const get = () => {
    opening ??= openGpu()
    opening.catch(() => {
      opening = undefined
    })
    return opening
  }
  const isLost = (error: unknown, gpu: Gpu) =>
    gpu.fault?.kind === 'lost' || (error instanceof GpuError && error.kind === 'lost')
  return {
    get,
    async use(work) {
      const gpu = await get()
      try {
        return await work(gpu)
      } catch (error) {
        if (!isLost(error, gpu)) throw error
        opening = undefined
        onLost()
        return await work(await get())
      }
    },
  }
}
