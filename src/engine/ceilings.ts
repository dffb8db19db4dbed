/** What a device can do at most, measured: the two lines of the roofline (Williams, Waterman & Patterson 2009). */
import { compile } from './compile.ts'
import { type Gpu, release } from './gpu.ts'
import { linearGroups } from './ops/launch.ts'
import './shaders-bench.gen.ts'
import { apply, constant, type Dispatch, input, type Tensor } from './tensor.ts'

export interface Ceilings {
  /** GB/s of copying from one buffer to another, far larger than caches; a copied byte is read and written, so it counts twice. */
  readonly bandwidth: number
  /** GFLOP/s of float32 multiply-adds in registers; each counts as two operations. */
  readonly rate: number
  /** The same in float16; undefined where the device has no shader-f16. */
  readonly halfRate: number | undefined
}

/** Operations a thread of bench/multiply_add does in a round: two chains of four lanes, 16 multiply-adds. */
const ROUND_FLOPS = 2 * 4 * 16 * 2
/** The best of so many samples: a ceiling is what nothing got in the way of. */
const SAMPLES = 3
/** A sample of a GPU lasts about so long, so that submitting does not count. */
const SAMPLE_MS = 40

/**
 * Measures copy bandwidth and multiply-add rate. Takes well under 2 s, and 512 MiB of GPU memory (32 MiB on a software
 * adapter) while it does.
 * @throws GpuError 'out-of-memory' when the buffers do not fit, 'lost' when the device goes away
 */
export async function measureCeilings(gpu: Gpu): Promise<Ceilings> {
  const wanted = gpu.software ? 2 ** 24 : 2 ** 28
  const bytes = 2 ** Math.floor(Math.log2(Math.min(wanted, gpu.maxBinding)))
  const values = bytes / 4
  const copy = (x: Tensor, y: Tensor) => ({ kernel: 'bench/copy', bind: { x, y }, groups: linearGroups(values, 1024) })
  const milliseconds = await fastest(gpu, input([values]), values, copy)
  const rate = await multiplyAddRate(gpu, 'bench/multiply_add')
  const halfRate = gpu.features.has('shader-f16') ? await multiplyAddRate(gpu, 'bench/multiply_add_half') : undefined
  return { bandwidth: (2 * bytes) / milliseconds / 1e6, rate, halfRate }
}

async function multiplyAddRate(gpu: Gpu, kernel: string): Promise<number> {
  const [threads, rounds] = gpu.software ? [2 ** 12, 512] : [2 ** 20, 128]
  const factors = constant([2], new Float32Array([0.5, 1]))
  const milliseconds = await fastest(gpu, factors, threads, (x, y) => ({
    kernel,
    constants: { ROUNDS: rounds },
    bind: { x, y },
    groups: linearGroups(threads, 64),
  }))
  return (threads * rounds * ROUND_FLOPS) / milliseconds / 1e6
}

/** Least time of one run of a kernel that makes `values` values of x. */
async function fastest(gpu: Gpu, x: Tensor, values: number, launch: (x: Tensor, y: Tensor) => Dispatch) {
  const operation = {
    name: 'ceiling',
    lower: ({ outputs }: { outputs: readonly Tensor[] }) => [launch(x, outputs[0]!)],
  }
  // Volatile, or a kernel of constants would run once at compile time and never again.
  const y = apply(operation, [x], [{ shape: [values] }], { volatile: true }).outputs[0]!
  const program = await compile(gpu, { y })
  try {
    const timed = async (times: number) => {
      const start = performance.now()
      program.run(times)
      await program.done()
      return (performance.now() - start) / times
    }
    await timed(1)
    const times = Math.max(1, Math.min(200, Math.ceil(SAMPLE_MS / (await timed(1)))))
    let least = Number.POSITIVE_INFINITY
    for (let sample = 0; sample < SAMPLES; sample++) least = Math.min(least, await timed(times))
    return least
  } finally {
    program.destroy()
    release(gpu, [x])
  }
}
