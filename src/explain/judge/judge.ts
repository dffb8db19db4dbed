/** How good a method's maps are: every measure of this folder, for one network. */
import { type Gpu, release } from '../../engine/gpu.ts'
import type { MemoryReport } from '../../engine/plan.ts'
import { InputError } from '../../io/errors.ts'
import { networkParameters } from '../../model/build.ts'
import type { Network } from '../../model/description.ts'
import { classCount } from '../../model/description.ts'
import { openReplacement } from '../mask-fill.ts'
import { maskSettings } from '../mask-options.ts'
import type { Attribution, Explainer, RunOptions } from '../method.ts'
import { patchCount } from './groups.ts'
import { judgeMap, type Verdict } from './judge-map.ts'
import { type MeasureName, measureNames } from './measures.ts'
import { type JudgeOptions, type JudgeSettings, judgeSettings } from './options.ts'
import { makeProber } from './prober.ts'
import { depthsFor, type Likeness, likenessTo, randomisationValues } from './randomisation.ts'
import { cascade, randomised } from './randomise.ts'
import { type JudgedInput, lookAt, type Subject } from './subject.ts'

export type { Verdict } from './judge-map.ts'
export type { JudgedInput } from './subject.ts'

/** A method as a judge sees it: it is made anew for networks of random weights. */
export interface Candidate {
  readonly name: string
  make(network: Network): Promise<Explainer>
}

export interface Judge {
  readonly settings: JudgeSettings
  readonly memory: MemoryReport
  /** Layers that are reset, in this order. */
  readonly layers: readonly string[]
  /**
   * Judges a method's maps of scans. What is found out about a scan is kept as long as the scan's object, for the methods
   * that follow.
   * @param wanted default: all measures
   * @returns one verdict a scan, in order
   * @throws InputError for a scan or network that will not do, or a map with NaN; GpuError when the GPU fails
   */
  judge(
    candidate: Candidate,
    scans: readonly JudgedInput[],
    options?: RunOptions & { readonly wanted?: readonly MeasureName[] },
  ): Promise<Verdict[]>
  destroy(): void
}

/**
 * Compiles what all methods are judged with.
 * @throws InputError for options that will not do; GpuError when memory does not suffice
 */
export async function openJudge(gpu: Gpu, network: Network, options: JudgeOptions = {}): Promise<Judge> {
  const settings = judgeSettings(options)
  const { input } = network.description
  const { batch = 4, memoryLimit, precision, spacing } = options
  const fillSettings = maskSettings(
    { fill: settings.fill, within: settings.within, spacing },
    classCount(network.description),
  )
  const replacement = await openReplacement(gpu, network, fillSettings, options.reference)
  const groups = Math.max(settings.steps, patchCount(input, settings.patch), 1)
  const prober = await makeProber(gpu, network, groups, { batch, memoryLimit, precision })
  const known = new WeakMap<JudgedInput, Promise<Subject>>()
  const layers = cascade(network)

  function subjectOf(scan: JudgedInput): Promise<Subject> {
    const found = known.get(scan) ?? look(scan)
    known.set(scan, found)
    return found
  }
  async function look(scan: JudgedInput): Promise<Subject> {
    const constant = settings.fill === 'one' ? 1 : 0
    const fill = (await replacement.of(scan)) ?? new Float32Array(scan.tensor.length).fill(constant)
    return lookAt(prober, input, scan, fill, settings)
  }

  return {
    settings,
    memory: prober.memory,
    layers,
    async judge(candidate, scans, { wanted = measureNames, onProgress, signal } = {}) {
      const asked = new Set(wanted)
      const subjects: Subject[] = []
      for (const scan of scans) subjects.push(await subjectOf(scan))
      const depths = depthsFor(asked, layers.length)
      const total = scans.length * (1 + depths.length * settings.draws)
      let done = 0
      const step = () => onProgress?.(++done / total)
      const explainer = await candidate.make(network)
      const maps: Attribution[] = []
      const verdicts: Verdict[] = []
      try {
        maps.push(...(await explainer.explain(subjects.map(forTarget), { signal })))
        for (const [n, map] of maps.entries()) {
          signal?.throwIfAborted()
          checkMap(candidate.name, map)
          verdicts.push(await judgeMap(prober, settings, subjects[n]!, map.relevance, asked, explainer))
          step()
        }
      } finally {
        explainer.destroy()
      }
      if (depths.length === 0) return verdicts
      const likeness = maps.map(({ relevance }, n) => likenessTo(relevance, subjects[n]!.voxels))
      const found = scans.map(() => new Map<number, Likeness[]>(depths.map((count) => [count, []])))
      for (const count of depths) {
        for (let draw = 0; draw < settings.draws; draw++) {
          const other = randomised(network, layers.slice(0, count), settings.seed + draw)
          const others = await explainOnce(gpu, candidate, other, subjects.map(forTarget), signal)
          for (const [n, { relevance }] of others.entries()) {
            found[n]!.get(count)!.push(likeness[n]!(relevance))
            step()
          }
        }
      }
      return verdicts.map((verdict, n) => {
        const { values, curves } = randomisationValues(found[n]!, asked)
        return { ...verdict, values: { ...verdict.values, ...values }, curves: { ...verdict.curves, ...curves } }
      })
    },
    destroy() {
      prober.destroy()
      replacement.destroy()
    },
  }
}

/** The scan with the class that all methods explain. */
function forTarget({ scan, target }: Subject): JudgedInput {
  return { ...scan, target }
}

function checkMap(name: string, { relevance }: Attribution): void {
  const bad = relevance.findIndex((value) => !Number.isFinite(value))
  if (bad >= 0)
    throw new InputError(`the map of ${name} holds ${relevance[bad]} at position ${bad}: it cannot be judged`)
}

/** Maps of a network that is of no further use. */
async function explainOnce(
  gpu: Gpu,
  candidate: Candidate,
  network: Network,
  scans: readonly JudgedInput[],
  signal: AbortSignal | undefined,
): Promise<Attribution[]> {
  const explainer = await candidate.make(network)
  try {
    return await explainer.explain(scans, { signal })
  } finally {
    explainer.destroy()
    release(gpu, networkParameters(network).values())
  }
}
