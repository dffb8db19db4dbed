/** onnxruntime-web with its WebGPU execution provider, in a page: forward passes, with input and output on the GPU. */
import * as ort from 'onnxruntime-web/webgpu'
import type { Size } from './layers.ts'
import { type OnnxGraph, type OnnxNode, type OnnxTensor, onnxModel } from './onnx.ts'
import {
  benchNetwork,
  type ConvWork,
  convOperands,
  type Outcome,
  type Peer,
  plainNetwork,
  SAME,
  type Side,
  scanOf,
} from './peer-work.ts'

export function openOnnxRuntime(): Peer {
  const name = 'onnxruntime-web webgpu'
  // Served by bench/peer-chromium.ts.
  ort.env.wasm.wasmPaths = '/onnxruntime/'
  ort.env.wasm.numThreads = 1
  const start = (graph: OnnxGraph, x: Float32Array) => sessionSide(name, graph, x)
  return {
    name,
    version: ort.env.versions.web ?? ort.env.versions.common,
    does: (work) => work.kind === 'network' || (work.kind === 'conv' && work.pass === 'forward'),
    async start(work) {
      if (work.kind === 'conv') return [await start(convGraph(work), convOperands(work).x)]
      return [await start(networkGraph(work.size), scanOf(work.size))]
    },
    close() {},
  }
}

const CONVOLUTION = { kernel_shape: [3, 3, 3], pads: [1, 1, 1, 1, 1, 1], strides: [1, 1, 1] }

function convGraph(work: ConvWork): OnnxGraph {
  const { inputs, outputs, size } = work.layer
  return {
    nodes: [{ operator: 'Conv', inputs: ['x', 'w'], output: 'result', attributes: CONVOLUTION }],
    inputs: { x: [1, inputs, ...size] },
    outputs: { result: [1, outputs, ...size] },
    weights: { w: { shape: [outputs, inputs, 3, 3, 3], data: convOperands(work).w } },
  }
}

/** The variance of a norm that only scales and shifts: 1 less the operator's default epsilon. */
const nearlyOne = (channels: number) => new Float32Array(channels).fill(1 - 1e-5)

/** Conv5_FC3 as PyTorch would export it. */
function networkGraph(size: Size): OnnxGraph {
  const { blocks, dense } = plainNetwork(benchNetwork(size))
  const nodes: OnnxNode[] = []
  const weights: Record<string, OnnxTensor> = { zero: { shape: [], data: new Float32Array(1) } }
  let last = 'x'
  const then = (operator: string, more: readonly string[] = [], attributes: OnnxNode['attributes'] = {}) => {
    const output = `${operator}${nodes.length}`
    nodes.push({ operator, inputs: [last, ...more], output, attributes })
    last = output
  }
  const weight = (name: string, shape: readonly number[], data: OnnxTensor['data']) => {
    weights[name] = { shape, data }
    return name
  }
  for (const [k, { inputs, outputs, front, ...block }] of blocks.entries()) {
    const vector = (name: string, data: Float32Array) => weight(`${name}${k}`, [outputs], data)
    const kernel = weight(`w${k}`, [outputs, inputs, 3, 3, 3], block.weight)
    then('Conv', [kernel, vector('b', block.bias)], CONVOLUTION)
    const statistics = [vector('mean', new Float32Array(outputs)), vector('variance', nearlyOne(outputs))]
    then('BatchNormalization', [vector('scale', block.scale), vector('shift', block.shift), ...statistics])
    then('Relu')
    if (front.some((n) => n > 0)) {
      const margins = BigInt64Array.from([0, 0, ...front, 0, 0, 0, 0, 0], BigInt)
      then('Pad', [weight(`front${k}`, [10], margins), 'zero'])
    }
    then('MaxPool', [], { kernel_shape: [2, 2, 2], strides: [2, 2, 2] })
  }
  then('Flatten')
  for (const [k, { from, to, ...full }] of dense.entries()) {
    if (k > 0) then('Relu')
    then('Gemm', [weight(`dense${k}`, [to, from], full.weight), weight(`offset${k}`, [to], full.bias)], { transB: 1 })
  }
  nodes.push({ operator: 'Identity', inputs: [last], output: 'logits' })
  return { nodes, inputs: { x: [1, 1, ...size] }, outputs: { logits: [1, dense.at(-1)!.to] }, weights }
}

async function sessionSide(name: string, graph: OnnxGraph, x: Float32Array): Promise<Side> {
  const session = await ort.InferenceSession.create(onnxModel(graph), {
    executionProviders: ['webgpu'],
    // An operator that the GPU lacks is an error, not a slow detour over the CPU.
    extra: { session: { disable_cpu_ep_fallback: '1' } },
    logSeverityLevel: 4,
  })
  // Its own, which is there once there is a session.
  const device = (await ort.env.webgpu.device) as GPUDevice
  const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST
  const onGpu = (shape: readonly number[]) => {
    const values = shape.reduce((a, b) => a * b, 1)
    const buffer = device.createBuffer({ size: Math.ceil((4 * values) / 16) * 16, usage })
    return { buffer, tensor: ort.Tensor.fromGpuBuffer(buffer, { dataType: 'float32', dims: [...shape] }) }
  }
  const input = onGpu(graph.inputs.x!)
  device.queue.writeBuffer(input.buffer, 0, x as Float32Array<ArrayBuffer>)
  const [[key, shape]] = Object.entries(graph.outputs) as [[string, readonly number[]]]
  const output = onGpu(shape)
  const run = () => session.run({ x: input.tensor }, { [key]: output.tensor })
  return {
    name,
    tolerance: SAME,
    async run(times) {
      for (let k = 0; k < times; k++) await run()
      await device.queue.onSubmittedWorkDone()
      return undefined
    },
    async read(): Promise<Outcome> {
      await run()
      const values = shape.reduce((a, b) => a * b, 1)
      return { [key]: (await readBuffer(device, output.buffer)).slice(0, values) }
    },
    async dispose() {
      await session.release()
      input.buffer.destroy()
      output.buffer.destroy()
    },
  }
}

async function readBuffer(device: GPUDevice, buffer: GPUBuffer): Promise<Float32Array> {
  const staging = device.createBuffer({ size: buffer.size, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST })
  const encoder = device.createCommandEncoder()
  encoder.copyBufferToBuffer(buffer, 0, staging, 0, buffer.size)
  device.queue.submit([encoder.finish()])
  await staging.mapAsync(GPUMapMode.READ)
  const data = new Float32Array(staging.getMappedRange().slice(0))
  staging.destroy()
  return data
}
