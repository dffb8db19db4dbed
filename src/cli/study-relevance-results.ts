/** From what was stored of every scan to the numbers of a study of relevance. */
import type { MethodChoice } from '../explain/methods.ts'
import type { GroupMoments } from '../explain/postprocess/group.ts'
import type { BesideRandom } from '../explain/study/random-networks.ts'
import { type ChosenRegion, joinRegions } from '../explain/study/relevance-regions.ts'
import { type RelevanceStudy, type StudySubject, studyRelevance } from '../explain/study/relevance-study.ts'
import { affineDeterminant } from '../io/affine.ts'
import type { Atlas } from '../io/atlas/atlas.ts'
import type { Covariates } from '../io/cohort/covariates.ts'
import type { Grid } from '../io/resample.ts'
import { defaultContrasts } from '../model/evaluation/contrast.ts'
import { type CohortEvaluation, evaluatePredictions } from '../model/evaluation/evaluation.ts'
import { softmaxOf } from '../model/evaluation/metrics.ts'
import { type Predictions, predictionRow } from '../model/evaluation/predictions.ts'
import { type People, UNLABELLED } from './study-relevance-cohort.ts'
import type { RelevanceOptions } from './study-relevance-options.ts'
import type { MethodWork, RelevanceTask } from './study-relevance-plan.ts'
import type { StoredScan } from './study-relevance-state.ts'

export interface ResultSubject extends StudySubject {
  readonly path: string
  /** Of the class that is explained. */
  readonly probability: number
  /** Its map has one value everywhere. */
  readonly constant: boolean
}

export interface MethodResults {
  readonly choice: MethodChoice
  readonly settings: object
  readonly subjects: readonly ResultSubject[]
  readonly study: RelevanceStudy
  /** Of maps, the controls first. */
  readonly groups: ReadonlyMap<string, GroupMoments>
  /** Mean of the scans. */
  readonly background: Float32Array
}

/** A method's correlations beside those by networks with random weights. */
export interface RandomComparison {
  readonly choice: MethodChoice
  readonly rows: readonly BesideRandom[]
}

export interface RelevanceResults {
  readonly cohort: string
  /** Of the network. */
  readonly name: string
  readonly classes: readonly string[]
  readonly target: string
  readonly control: string | undefined
  readonly groups: readonly string[]
  readonly regions: readonly ChosenRegion[]
  readonly atlas: Atlas
  readonly grid: Grid
  /** Taken off volumes. */
  readonly covariates: readonly string[]
  readonly options: RelevanceOptions
  readonly notes: readonly string[]
  readonly adapter: string
  readonly versions: Readonly<Record<string, string>>
  readonly methods: readonly MethodResults[]
  /** Beside networks with random weights, where there are any. */
  readonly random: readonly RandomComparison[]
  readonly predictions: Predictions
  readonly evaluation: CohortEvaluation
}

/** @param work methods with at least one map */
export function relevanceResults(
  task: RelevanceTask,
  work: readonly MethodWork[],
  people: People,
  regions: readonly ChosenRegion[],
): Omit<RelevanceResults, 'cohort' | 'notes' | 'versions' | 'random'> {
  const { loaded, options, placed, grid, target } = task
  const { description } = loaded.network
  const { classes } = description.recipe
  const { groups, control, covariates } = people
  const methods = work.map((one) => methodResults(task, one, people, regions))
  const predictions = predictionsOf(task, work)
  const labels = new Set(predictions.rows.flatMap(({ trueLabel }) => trueLabel ?? []))
  // Groups that are no class of the network, too: MCI against CN.
  const others = control === undefined ? [] : groups.filter((name) => name !== control && !classes.includes(name))
  const contrasts = [
    ...defaultContrasts(classes).filter(({ name }) => classes.length < 3 || !name.endsWith(' vs rest')),
    ...(control !== undefined && classes.includes(control)
      ? others.map((name) => ({ name: `${name} vs ${control}`, positive: [name], negative: [control] }))
      : []),
  ].filter(({ positive, negative }) => [positive, negative].every((side) => side.some((name) => labels.has(name))))
  return {
    name: description.name,
    classes,
    target: classes[target]!,
    control,
    groups,
    regions,
    atlas: placed,
    grid,
    covariates: covariates.names,
    options,
    adapter: work[0]!.state.adapter,
    methods,
    predictions,
    evaluation: evaluatePredictions(predictions, { contrasts, replicates: DRAWS }),
  }
}

/** What maps alone can tell: those without any relevance, and what the numbers had to do without. */
export function notesOf(methods: readonly MethodResults[]): string[] {
  const notes = methods.flatMap(({ subjects, choice, study }) => {
    const constant = subjects.filter((one) => one.constant).length
    const empty = `${choice.name}: ${constant} of ${subjects.length} maps have one value everywhere`
    return [...(constant > 0 ? [empty] : []), ...study.notes]
  })
  return [...new Set(notes)]
}

/** Of the bootstrap; the table has DeLong's intervals, and these of what else the evaluation says. */
const DRAWS = 500

const storedOf = ({ state, keys }: MethodWork) => {
  const stored = new Map(state.scans.map((one) => [one.key, one]))
  return keys.flatMap((key, n) => (stored.has(key) ? [{ n, own: stored.get(key)! }] : []))
}

/** The numbers of one method, from what was stored of its maps. */
export function methodResults(
  { scans, placed, options, target }: RelevanceTask,
  work: MethodWork,
  { covariates, columns, control, groups }: People,
  regions: readonly ChosenRegion[],
): MethodResults {
  const { method, state } = work
  const made = storedOf(work)
  const rowsOf = regionRows(placed)
  const subjects = made.map(({ n, own }): ResultSubject => {
    const { group, row, path } = scans[n]!
    const rows = rowsOf(own)
    return {
      participant: row!.participant,
      ...(row!.session !== undefined && { session: row!.session }),
      group: group === UNLABELLED ? undefined : group,
      path,
      probability: softmaxOf(own.logits)[target]!,
      constant: own.constant,
      regions: regions.map((region) => joinRegions(rows, region)),
    }
  })
  const rows = made.map(({ n }) => n)
  const study = studyRelevance(subjects, regions.length, {
    measure: options.measure,
    control,
    groups,
    covariates: rowsOfCovariates(covariates, rows),
    columns: rowsOfCovariates(columns, rows),
  })
  const order = [...groups, UNLABELLED].filter((name) => state.groups.has(name))
  return {
    choice: method.choice,
    settings: method.settings,
    subjects,
    study,
    groups: new Map(order.map((name) => [name, state.groups.get(name)!])),
    background: Float32Array.from(state.scanSum, (sum) => sum / made.length),
  }
}

/** Rows of a region table out of what was stored. */
function regionRows({ labels, regions, affine }: Atlas) {
  const voxels = new Float64Array(regions.length + 1)
  for (const label of labels) voxels[label]!++
  const voxelMm3 = Math.abs(affineDeterminant(affine))
  return ({ regions: stored }: StoredScan) =>
    stored.map((region, k) => {
      const size = { voxels: voxels[k + 1]!, mm3: voxels[k + 1]! * voxelMm3 }
      // Those of a whole region are made anew from its sums.
      return { ...regions[k]!, ...region, ...size, mean: 0, density: 0 }
    })
}

function rowsOfCovariates(from: Covariates, rows: readonly number[]): Covariates {
  const count = from.names.length
  const values = rows.flatMap((n) => [...from.values.subarray(n * count, (n + 1) * count)])
  return { ...from, values: Float64Array.from(values), faults: [] }
}

/** What the network says of every scan that has a map by any method. */
function predictionsOf({ scans, loaded }: RelevanceTask, work: readonly MethodWork[]): Predictions {
  const { classes } = loaded.network.description.recipe
  const logits = new Map(work.flatMap((one) => storedOf(one).map(({ n, own }) => [n, own.logits] as const)))
  const rows = [...logits.keys()]
    .sort((a, b) => a - b)
    .map((n) => {
      const { row, group } = scans[n]!
      const trueLabel = group === UNLABELLED ? undefined : group
      const { participant, session } = row!
      return predictionRow(classes, { participant, session, trueLabel, probabilities: softmaxOf(logits.get(n)!) })
    })
  return { classes, rows }
}
