/** Our side of a comparison, in Node and in a page alike. */
import { backward } from '../src/engine/backward.ts'
import '../src/engine/gradients/conv-weight.ts'
import { type CompileOptions, compile } from '../src/engine/compile.ts'
import { type Gpu, release } from '../src/engine/gpu.ts'
import { conv3d } from '../src/engine/ops/conv.ts'
import type { Program } from '../src/engine/program.ts'
import { input, parameter, type Tensor } from '../src/engine/tensor.ts'
import { batchEffects, buildGraph, cellWeights } from '../src/explain/mask-graph.ts'
import { maskSettings } from '../src/explain/mask-options.ts'
import { resetMasks, startMasks } from '../src/explain/mask-state.ts'
import { buildNetwork } from '../src/model/build.ts'
import { classCount } from '../src/model/description.ts'
import type { Size } from './layers.ts'
import {
  benchNetwork,
  type ConvWork,
  convOperands,
  MASK,
  type Outcome,
  type Peer,
  type Side,
  scanOf,
} from './peer-work.ts'

export function openOurs(gpu: Gpu, version: string): Peer {
  return {
    name: 'voxplain',
    version,
    does: () => true,
    async start(work) {
      if (work.kind === 'conv') return [await conv(gpu, work)]
      return [await (work.kind === 'mask' ? mask(gpu, work.size) : network(gpu, work.size))]
    },
    close() {},
  }
}

/** A side from a program; everything that it put on the GPU goes with it. */
async function sideOf(
  gpu: Gpu,
  outputs: Readonly<Record<string, Tensor>>,
  operands: ReadonlyMap<Tensor, Float32Array>,
  options: CompileOptions,
  read: (program: Program) => Promise<Outcome>,
): Promise<Side> {
  const program = await compile(gpu, outputs, options)
  for (const t of program.inputs) program.write(t, operands.get(t)!)
  return {
    name: 'voxplain',
    tolerance: 0,
    async run(times) {
      program.run(times)
      await program.done()
      return undefined
    },
    read: () => read(program),
    dispose() {
      program.destroy()
      release(gpu, [...gpu.resident.keys()])
    },
  }
}

function conv(gpu: Gpu, work: ConvWork): Promise<Side> {
  const { inputs, outputs, size } = work.layer
  const operands = convOperands(work)
  const x = input([1, inputs, ...size])
  const w = parameter([outputs, inputs, 3, 3, 3], operands.w)
  const dy = input([1, outputs, ...size])
  const y = conv3d(x, w, { padding: 1 })
  const [dx, dw] = backward(y, [x, w], { seed: dy })
  const result = { forward: y, 'data gradient': dx!, 'weight gradient': dw! }[work.pass]
  const given = new Map([
    [x, operands.x],
    [dy, operands.dy],
  ])
  return sideOf(gpu, { result }, given, {}, async (program) => {
    program.run()
    return { result: await program.read(result) }
  })
}

function network(gpu: Gpu, size: Size): Promise<Side> {
  const { input: x, logits } = buildNetwork(benchNetwork(size))
  return sideOf(gpu, { logits }, new Map([[x, scanOf(size)]]), { frozen: true }, async (program) => {
    program.run()
    return { logits: await program.read(logits) }
  })
}

/** The step of optimiseMask, as src/explain builds it. */
function mask(gpu: Gpu, size: Size): Promise<Side> {
  const network = benchNetwork(size)
  const { target, steps, ...options } = MASK
  // Steps enough for any timing: a mask that has used them up rests.
  const settings = maskSettings({ ...options, ...WHOLE_VOLUME, iterations: 100_000 }, classCount(network.description))
  const graph = buildGraph(network, settings, 1)
  const given = new Map([
    [graph.x, scanOf(size)],
    [graph.target, new Float32Array([target])],
  ])
  const compiling = { effects: batchEffects(graph), frozen: true }
  const restart = (program: Program) => {
    resetMasks(program, graph.mask)
    program.write(graph.mask.weights, Float32Array.from(cellWeights(settings, settings, graph.mask)))
    startMasks(program, graph.mask, 1)
  }
  return sideOf(gpu, { probabilities: graph.probabilities }, given, compiling, async (program) => {
    restart(program)
    program.run(steps)
    const trace = await program.read(graph.mask.trace)
    const copies = await program.read(graph.mask.mask)
    const voxels = copies.length / 2
    const current = (steps % 2) * voxels
    return {
      scores: Float32Array.from({ length: steps }, (_, k) => trace[4 * k]!),
      relevance: copies.slice(current, current + voxels).map((m) => 1 - m),
    }
  })
}

/** One cell a voxel, everywhere, masked voxels become 1, terms are means, and nothing ends it. */
const WHOLE_VOLUME = {
  resolution: 1,
  within: 'volume',
  fill: 'one',
  reduction: 'mean',
  jitter: 0,
  tolerance: 0,
} as const
