/** TensorFlow.js on its WebGPU backend, in Node, on the adapter that ours runs on. */
import { mkdtempSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type * as Core from '@tensorflow/tfjs-core'
import { build } from 'esbuild'
import { requestGpuAdapter } from '../src/engine/platform.ts'
import { type ConvWork, convOperands, type Pass, type Peer, SAME, type Side } from './peer-work.ts'
import { maskSide, networkSide } from './tensorflow-mask.ts'

export type Tf = typeof Core

/** The library, and a way to wait for all that it was asked to do. */
export interface TensorFlow {
  readonly tf: Tf
  readonly name: string
  finish(): Promise<void>
}

/** What we need of their WebGPU backend. */
interface Backend {
  readonly device: GPUDevice
  readonly commandEncoder: GPUCommandEncoder | null
  endComputePassEncoder(): void
  submitQueue(): void
}

/** Loads TensorFlow.js. It asks `navigator.gpu` for its adapter when it is loaded, so that must be there before. */
export async function openLibrary(): Promise<TensorFlow> {
  const gpu = { requestAdapter: () => requestGpuAdapter() }
  if (!globalThis.navigator) Object.defineProperty(globalThis, 'navigator', { value: {}, configurable: true })
  Object.defineProperty(globalThis.navigator, 'gpu', { value: gpu, configurable: true })
  const tf = await loadTensorFlow()
  await tf.setBackend('webgpu')
  await tf.ready()
  const backend = tf.backend() as unknown as Backend
  return {
    tf,
    name: 'tensorflow.js webgpu',
    // Kernels are collected and submitted some at a time: the last ones may still be waiting.
    finish() {
      if (backend.commandEncoder) {
        backend.endComputePassEncoder()
        backend.submitQueue()
      }
      return backend.device.queue.onSubmittedWorkDone().then(() => undefined)
    },
  }
}

export async function openTensorFlow(): Promise<Peer> {
  const library = await openLibrary()
  return {
    name: library.name,
    version: library.tf.version_core,
    does: () => true,
    async start(work) {
      if (work.kind === 'conv') return [convSide(library, work)]
      return [work.kind === 'mask' ? maskSide(library, work.size) : networkSide(library, work.size)]
    },
    // The library keeps its device; the process has to be ended.
    close() {},
  }
}

/** Its ES modules cannot be loaded in Node, and its CommonJS files have no gradients; esbuild makes one file of the former. */
async function loadTensorFlow(): Promise<Tf> {
  const folder = mkdtempSync(join(tmpdir(), 'voxplain-tensorflow-'))
  const outfile = join(folder, 'tensorflow.cjs')
  const contents = `
    import '@tensorflow/tfjs-core/dist/register_all_gradients'
    import '@tensorflow/tfjs-backend-webgpu'
    export * from '@tensorflow/tfjs-core'`
  try {
    await build({
      stdin: { contents, resolveDir: fileURLToPath(new URL('.', import.meta.url)) },
      outfile,
      bundle: true,
      format: 'cjs',
      platform: 'node',
      mainFields: ['module', 'main'],
      logLevel: 'silent',
    })
    return createRequire(import.meta.url)(outfile) as Tf
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function convSide({ tf, name, finish }: TensorFlow, work: ConvWork): Side {
  const { pass, layer } = work
  const { inputs, outputs, size } = layer
  const operands = convOperands(work)
  const voxels = size[0] * size[1] * size[2]
  const volume = (data: Float32Array, channels: number) =>
    tf.tensor(swapped(data, channels, voxels), [1, ...size, channels])
  const x = pass !== 'data gradient' ? volume(operands.x, inputs) : undefined
  const w = pass !== 'weight gradient' ? kernelOf(tf, operands.w, inputs, outputs) : undefined
  const dy = pass !== 'forward' ? volume(operands.dy, outputs) : undefined
  // The gradient kernels alone: tf.grad would run the forward pass, too.
  const common = { pad: 'same', strides: [1, 1, 1] }
  const kernels: Record<Pass, () => Core.Tensor> = {
    forward: () => tf.conv3d(x as Core.Tensor5D, w as Core.Tensor5D, 1, 'same'),
    'data gradient': () => {
      const attributes = { ...common, inputShape: [1, ...size, inputs] }
      return tf.engine().runKernel('Conv3DBackpropInputV2', { dy: dy!, filter: w! }, attributes) as Core.Tensor
    },
    'weight gradient': () => {
      const attributes = { ...common, filterShape: [3, 3, 3, inputs, outputs] }
      return tf.engine().runKernel('Conv3DBackpropFilterV2', { x: x!, dy: dy! }, attributes) as Core.Tensor
    },
  }
  return {
    name,
    tolerance: SAME,
    async run(times) {
      for (let k = 0; k < times; k++) kernels[pass]().dispose()
      await finish()
      return undefined
    },
    async read() {
      const y = kernels[pass]()
      const data = (await y.data()) as Float32Array
      y.dispose()
      if (pass === 'weight gradient') return { result: reversed(data, 27, inputs, outputs) }
      return { result: swapped(data, voxels, pass === 'forward' ? outputs : inputs) }
    },
    dispose() {
      for (const t of [x, w, dy]) t?.dispose()
    },
  }
}

/** [M, C, taps] -> [3, 3, 3, C, M] */
export function kernelOf(tf: Tf, w: Float32Array, inputs: number, outputs: number): Core.Tensor5D {
  return tf.tensor(reversed(w, outputs, inputs, 27), [3, 3, 3, inputs, outputs])
}

/** [a, b] -> [b, a] */
export function swapped(data: Float32Array, a: number, b: number): Float32Array {
  return reversed(data, a, 1, b)
}

/** [a, b, c] -> [c, b, a] */
function reversed(data: Float32Array, a: number, b: number, c: number): Float32Array {
  const out = new Float32Array(data.length)
  for (let i = 0; i < a; i++)
    for (let j = 0; j < b; j++) for (let k = 0; k < c; k++) out[(k * b + j) * a + i] = data[(i * b + j) * c + k]!
  return out
}
