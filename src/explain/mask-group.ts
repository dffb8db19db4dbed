/** One mask for several scans. */
import { compile } from '../engine/compile.ts'
import { type Gpu, release } from '../engine/gpu.ts'
import { classCount, type Network } from '../model/description.ts'
import { argmax } from '../model/evaluation/metrics.ts'
import { meanOf, openReplacement } from './mask-fill.ts'
import { batchEffects, buildGraph, cellWeights, chooseBatch, requireVoxels } from './mask-graph.ts'
import { groupChange } from './mask-live.ts'
import { type MaskInput, type MaskOptions, maskSettings } from './mask-options.ts'
import { type Answers, descend, type MaskResult, maskedShare, readAnswers, readMask } from './mask-run.ts'
import { maskLeaves, resetMasks, startMasks } from './mask-state.ts'

/**
 * Optimises one mask for a group of scans, fed `options.batch` at a time. The result does not depend on how many that are:
 * gradients and scores are summed in the order of the scans.
 * @param scans their targets are not looked at: the group has one, options.target.
 * @throws InputError for an option or scan that does not fit; GpuError when the GPU fails or has too little memory.
 */
export async function optimiseShared(
  gpu: Gpu,
  network: Network,
  scans: readonly MaskInput[],
  options: MaskOptions,
): Promise<MaskResult> {
  const started = performance.now()
  const { memoryLimit, precision, onProgress } = options
  const settings = maskSettings(options, classCount(network.description))
  for (const scan of scans) requireVoxels(network, scan)
  const most = options.batch ?? chooseBatch(gpu, network, options, scans.length, scans.length)
  const batch = Math.min(most, scans.length)
  const reference =
    settings.fill === 'mean'
      ? (options.reference ?? meanOf(scans.map(({ tensor, plain }) => plain ?? tensor)))
      : undefined
  const replacement = await openReplacement(gpu, network, settings, reference)
  const fills: (Float32Array | undefined)[] = []
  try {
    for (const scan of scans) fills.push(await replacement.of(scan))
  } finally {
    replacement.destroy()
  }
  const graph = buildGraph(network, settings, batch, scans.length)
  const { mask, probabilities, logits } = graph
  const effects = batchEffects(graph, scans.length)
  const program = await compile(
    gpu,
    { probabilities, logits },
    {
      effects,
      frozen: true,
      live: graph.live,
      memoryLimit,
      precision,
      runs: graph.runs,
    },
  )
  const apart = effects.length === graph.sums!.nodes.length
  const stepper = apart ? await compile(gpu, {}, { effects: graph.step, frozen: true }) : undefined
  const turns = Array.from({ length: Math.ceil(scans.length / batch) }, (_, t) => t * batch)
  const tensors = scans.map(({ tensor }) => tensor)
  const feed = (first: number) => {
    const used = Math.min(batch, scans.length - first)
    const rows = (list: readonly (Float32Array | undefined)[]) => {
      const all = new Float32Array(batch * tensors[0]!.length)
      for (let k = 0; k < used; k++) all.set(list[first + k]!, k * tensors[0]!.length)
      return all
    }
    program.write(graph.x, batch === 1 ? tensors[first]! : rows(tensors))
    if (fills[0]) program.write(graph.fill, batch === 1 ? fills[first]! : rows(fills))
    for (const node of graph.sums!.nodes) program.setUniforms(node, { first: first === 0 ? 1 : 0, used })
  }
  /** Answers for every scan under the mask as it is, which does not move meanwhile. */
  const classify = async () => {
    const found: Answers[] = []
    for (const first of turns) {
      feed(first)
      found.push(await readAnswers(program, graph, Math.min(batch, scans.length - first)))
    }
    return {
      probabilities: found.flatMap((answers) => answers.probabilities),
      logits: found.flatMap((answers) => answers.logits),
    }
  }
  const steps = (count: number) => {
    if (!stepper) return program.run(count)
    for (let step = 0; step < count; step++) {
      for (const first of turns) {
        feed(first)
        program.run()
      }
      stepper.run()
    }
  }
  try {
    resetMasks(stepper ?? program, mask)
    const { probabilities: before, logits: unmasked } = await classify()
    if (graph.live) {
      // What every place of the batch keeps has to be of a scan: the last turn may have left some empty.
      if (scans.length % batch !== 0) {
        feed(0)
        program.run()
      }
      const filled = tensors.map((tensor, k) => ({ tensor, fill: fills[k] }))
      program.setLive(groupChange(filled, settings, graph))
    }
    const target = options.target ?? argmax(before[0]!)
    program.write(graph.target, new Float32Array(batch).fill(target))
    const holder = stepper ?? program
    holder.write(mask.weights, new Float32Array(cellWeights(settings, settings, mask)))
    startMasks(holder, mask, 1, settings)
    const [path] = await descend({ program: holder, steps }, mask, settings, [settings], (progress) =>
      onProgress?.({ ...progress, first: 0, count: 1 }),
    )
    if ('error' in path!) throw path.error
    const { trace, converged } = path!
    const { probabilities: after } = await classify()
    const values = readMask(await holder.read(mask.mask), 0, trace.length, mask)
    return {
      mask: values,
      target,
      before,
      after,
      logits: unmasked,
      masked: maskedShare(values),
      trace,
      iterations: trace.length,
      converged,
      seconds: (performance.now() - started) / 1000,
      gpuBytes: program.memory.total + (stepper?.memory.temporaries ?? 0),
      settings,
    }
  } finally {
    program.destroy()
    stepper?.destroy()
    release(gpu, [...maskLeaves(mask), ...graph.sums!.totals])
  }
}
