/** What is measured of one map of one scan. */
import { softmaxOf } from '../../model/evaluation/metrics.ts'
import { uniformStream } from '../../model/random.ts'
import type { Explainer } from '../method.ts'
import { areaOver, areaUnder, completenessError, gini, relativeChange } from './formulas.ts'
import { groupSums, patchSteps, relevanceSteps } from './groups.ts'
import type { MeasureName } from './measures.ts'
import type { JudgeSettings } from './options.ts'
import type { Prober } from './prober.ts'
import { pearson } from './ranking.ts'
import type { Subject } from './subject.ts'
import { massAccuracy, pointing, rankAccuracy, voxelAuc } from './truth.ts'

export interface Verdict {
  readonly target: number
  /** The network's answer for the scan. */
  readonly probability: number
  /** Undefined where a measure says nothing: no truth, a map of zeros. */
  readonly values: { readonly [M in MeasureName]?: number | undefined }
  readonly curves: {
    /** Probability of the target when none, one, two, ... of the steps' voxels are replaced. */
    readonly deletion?: readonly number[]
    /** The same when they are put in. */
    readonly insertion?: readonly number[]
    /** Logit of the target when the cubes of none, one, two, ... steps are replaced. */
    readonly regionPerturbation?: readonly number[]
    /** Rank correlation of |relevance| after each layer of Judge.layers is reset as well; null for a map without any variation. */
    readonly randomisation?: readonly (number | null)[]
    /** The same of relevance with its sign, in size. */
    readonly signedRandomisation?: readonly (number | null)[]
  }
}

/** All measures but those that need other networks. */
export async function judgeMap(
  prober: Prober,
  settings: JudgeSettings,
  subject: Subject,
  relevance: Float32Array,
  asked: ReadonlySet<MeasureName>,
  explainer: Explainer,
): Promise<Verdict> {
  const { scan, target, voxels, fill, cubes, whole, empty } = subject
  const { steps, regions, seed } = settings
  const values: { [M in MeasureName]?: number | undefined } = {}
  const curves: { -readonly [C in keyof Verdict['curves']]: Verdict['curves'][C] } = {}
  const probe = (...asking: Parameters<Prober['probe']> extends [unknown, unknown, ...infer Rest] ? Rest : never) =>
    prober.probe(scan.tensor, fill, ...asking)
  const logit = (row: readonly number[]) => row[target]!
  const probability = (row: readonly number[]) => softmaxOf(row)[target]!

  if (['deletion', 'insertion', 'pixelFlipping'].some((name) => asked.has(name as MeasureName))) {
    const ordered = relevanceSteps(relevance, voxels, steps)
    if (asked.has('deletion') || asked.has('pixelFlipping')) {
      const rows = await probe(ordered, steps + 1, (copy, group) => group < copy)
      if (asked.has('pixelFlipping')) values.pixelFlipping = areaOver(rows.map(logit))
      if (asked.has('deletion')) {
        curves.deletion = rows.map(probability)
        values.deletion = areaUnder(curves.deletion)
      }
    }
    if (asked.has('insertion')) {
      const rows = await probe(ordered, steps + 1, (copy, group) => group >= copy)
      curves.insertion = rows.map(probability)
      values.insertion = areaUnder(curves.insertion)
    }
  }
  if (asked.has('regionPerturbation')) {
    const ordered = patchSteps(relevance, cubes, { steps, regions, seed })
    const rows = await probe(ordered, ordered.count + 1, (copy, group) => group < copy)
    curves.regionPerturbation = rows.map(logit)
    values.regionPerturbation = areaOver(curves.regionPerturbation)
  }
  if (asked.has('faithfulnessCorrelation')) {
    const { sets, drops } = await subject.subsets()
    const sums = groupSums(relevance, cubes)
    const inSet = sets.map((set) => sums.reduce((sum, value, cube) => sum + value * set[cube]!, 0))
    values.faithfulnessCorrelation = pearson(inSet, drops)
  }
  if (asked.has('maxSensitivity')) values.maxSensitivity = await maxSensitivity(settings, subject, relevance, explainer)
  if (asked.has('sparseness')) values.sparseness = gini(relevance, voxels)
  if (asked.has('completeness')) values.completeness = completenessError(relevance, whole - empty)
  return {
    target,
    probability: subject.probability,
    values: { ...values, ...truthValues(settings, subject, relevance, asked) },
    curves,
  }
}

function truthValues(
  { sign }: JudgeSettings,
  { inside, mixed, compared }: Subject,
  relevance: Float32Array,
  asked: ReadonlySet<MeasureName>,
): Verdict['values'] {
  const values: { [M in MeasureName]?: number | undefined } = {}
  const size = relevance.map(sign === 'absolute' ? Math.abs : (value) => Math.max(0, value))
  const set = (name: MeasureName, value: (inside: Uint8Array) => number | undefined) => {
    if (asked.has(name)) values[name] = inside && value(inside)
  }
  set('massAccuracy', (region) => massAccuracy(size, region))
  set('rankAccuracy', (region) => rankAccuracy(size, region, mixed))
  set('truthAuc', (region) => voxelAuc(size, region, compared))
  set('pointing', (region) => pointing(size, region))
  return values
}

/** The largest change of the map over noisy scans. */
async function maxSensitivity(
  { samples, radius, seed }: JudgeSettings,
  { scan, target, voxels }: Subject,
  relevance: Float32Array,
  explainer: Explainer,
): Promise<number | undefined> {
  const reach = radius * rangeOf(scan.plain ?? scan.tensor)
  let most: number | undefined
  for (let first = 0; first < samples; first += explainer.batch) {
    const noisy = Array.from({ length: Math.min(explainer.batch, samples - first) }, (_, n) => {
      const next = uniformStream(seed, `noise ${first + n}`)
      const [tensor, plain] = [scan.tensor.slice(), scan.plain?.slice()]
      for (const i of voxels) {
        const noise = reach * (2 * next() - 1)
        tensor[i]! += noise
        if (plain) plain[i]! += noise
      }
      return { ...scan, tensor, plain, target }
    })
    for (const other of await explainer.explain(noisy)) {
      const change = relativeChange(relevance, other.relevance)
      if (change !== undefined) most = Math.max(most ?? 0, change)
    }
  }
  return most
}

function rangeOf(values: Float32Array): number {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]
  for (const value of values) {
    low = Math.min(low, value)
    high = Math.max(high, value)
  }
  return high - low
}
