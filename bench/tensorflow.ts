/** TensorFlow.js on its WebGPU backend, in Node, on the adapter that ours runs on. */
import { createRequire } from 'node:module'
import type * as Core from '@tensorflow/tfjs-core'
import { requestGpuAdapter } from '../src/engine/platform.ts'
import type { Layer } from './layers.ts'

export type Pass = 'forward' | 'data gradient' | 'weight gradient'

/** One convolution pass of theirs, with its operands on the GPU. */
export interface TheirConv {
  /** Runs it and waits for its end. */
  run(times: number): Promise<void>
  /** The result in our axis order, e.g. [M, D, H, W]. */
  read(): Promise<Float32Array>
  dispose(): void
}

export interface TensorFlow {
  readonly version: string
  /** `operands`: x [C, D, H, W], w [M, C, 3, 3, 3], dy [M, D, H, W], whichever the pass needs. */
  conv(pass: Pass, layer: Layer, operands: Record<'x' | 'w' | 'dy', Float32Array>): TheirConv
}

/**
 * Loads TensorFlow.js. It asks `navigator.gpu` for its adapter when it is loaded, so that must be there before; and its
 * ES modules cannot be loaded in Node, so its CommonJS files are.
 */
export async function openTensorFlow(): Promise<TensorFlow> {
  const gpu = { requestAdapter: () => requestGpuAdapter() }
  if (!globalThis.navigator) Object.defineProperty(globalThis, 'navigator', { value: {}, configurable: true })
  Object.defineProperty(globalThis.navigator, 'gpu', { value: gpu, configurable: true })
  const require = createRequire(import.meta.url)
  const tf = require('@tensorflow/tfjs-core') as typeof Core
  require('@tensorflow/tfjs-backend-webgpu')
  await tf.setBackend('webgpu')
  await tf.ready()
  // Every kernel is submitted as soon as it is recorded, so that waiting for the queue waits for it.
  tf.env().set('WEBGPU_DEFERRED_SUBMIT_BATCH_SIZE', 1)
  const { queue } = (tf.backend() as unknown as { device: GPUDevice }).device
  return { version: tf.version_core, conv: (...call) => convolution(tf, queue, ...call) }
}

function convolution(
  tf: typeof Core,
  queue: GPUQueue,
  pass: Pass,
  { inputs, outputs, size }: Layer,
  operands: Record<'x' | 'w' | 'dy', Float32Array>,
): TheirConv {
  const voxels = size[0] * size[1] * size[2]
  const volume = (data: Float32Array, channels: number) =>
    tf.tensor(swapped(data, channels, voxels), [1, ...size, channels])
  // [M, C, taps] -> [taps, C, M]
  const kernel = () => tf.tensor(reversed(operands.w, outputs, inputs, 27), [3, 3, 3, inputs, outputs])
  const x = pass !== 'data gradient' ? volume(operands.x, inputs) : undefined
  const w = pass !== 'weight gradient' ? kernel() : undefined
  const dy = pass !== 'forward' ? volume(operands.dy, outputs) : undefined
  // The gradient kernels alone: tf.grad would run the forward pass, too.
  const common = { pad: 'same', strides: [1, 1, 1] }
  const kernels: Record<Pass, () => Core.Tensor> = {
    forward: () => tf.conv3d(x as Core.Tensor5D, w as Core.Tensor5D, 1, 'same'),
    'data gradient': () =>
      tf.engine().runKernel(
        'Conv3DBackpropInputV2',
        { dy: dy!, filter: w! },
        {
          ...common,
          inputShape: [1, ...size, inputs],
        },
      ) as Core.Tensor,
    'weight gradient': () =>
      tf.engine().runKernel(
        'Conv3DBackpropFilterV2',
        { x: x!, dy: dy! },
        {
          ...common,
          filterShape: [3, 3, 3, inputs, outputs],
        },
      ) as Core.Tensor,
  }
  return {
    async run(times) {
      for (let k = 0; k < times; k++) kernels[pass]().dispose()
      await queue.onSubmittedWorkDone()
    },
    async read() {
      const y = kernels[pass]()
      const data = (await y.data()) as Float32Array
      y.dispose()
      if (pass === 'weight gradient') return reversed(data, 27, inputs, outputs)
      return swapped(data, voxels, pass === 'forward' ? outputs : inputs)
    },
    dispose() {
      for (const t of [x, w, dy]) t?.dispose()
    },
  }
}

/** [a, b] -> [b, a] */
function swapped(data: Float32Array, a: number, b: number): Float32Array {
  return reversed(data, a, 1, b)
}

/** [a, b, c] -> [c, b, a] */
function reversed(data: Float32Array, a: number, b: number, c: number): Float32Array {
  const out = new Float32Array(data.length)
  for (let i = 0; i < a; i++)
    for (let j = 0; j < b; j++) for (let k = 0; k < c; k++) out[(k * b + j) * a + i] = data[(i * b + j) * c + k]!
  return out
}
