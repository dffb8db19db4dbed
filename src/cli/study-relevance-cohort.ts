/** Whom a study of relevance is about, and whether their scans, the atlas and the network fit each other. */
import { regionsOfInput } from '../explain/regions/input-regions.ts'
import type { ChosenRegion } from '../explain/study/relevance-regions.ts'
import type { Atlas } from '../io/atlas/atlas.ts'
import type { Cohort } from '../io/cohort/cohort.ts'
import { type Covariates, hasCovariate, readCovariates } from '../io/cohort/covariates.ts'
import { InputError } from '../io/errors.ts'
import type { Volume } from '../io/volume.ts'
import type { NetworkDescription } from '../model/description.ts'
import type { LoadedNetwork } from './network.ts'
import { cohortForNetwork, stemsOf } from './scan-list.ts'
import type { RelevanceOptions } from './study-relevance-options.ts'
import type { RelevanceScan } from './study-relevance-plan.ts'

/** Group of scans without a label. */
export const UNLABELLED = 'no label'

export interface People {
  readonly scans: readonly RelevanceScan[]
  /** Labels, the controls first. */
  readonly groups: readonly string[]
  readonly control: string | undefined
  readonly covariates: Covariates
  readonly columns: Covariates
  readonly notes: readonly string[]
}

/** Taken off volumes where the table has them. */
const USUAL = ['age', 'sex', 'tiv']

/** @throws InputError for a table, column or label that will not do */
export async function openPeople(
  table: string,
  { network }: LoadedNetwork,
  options: RelevanceOptions,
): Promise<People> {
  const found = await cohortForNetwork(table, network, options)
  const cohort = { ...found.cohort, rows: found.cohort.rows.slice(0, options.limit) }
  if (cohort.rows.length === 0) throw new InputError(`${table} has no scans`)
  const { classes } = network.description.recipe
  const groupOf = ({ label, givenLabel }: Cohort['rows'][number]) =>
    label !== undefined && classes.includes(label) ? label : (givenLabel ?? label ?? UNLABELLED)
  const listed = cohort.rows.map((row, n) => ({ path: row.scan!, row, covariates: found.covariates(n) }))
  const stems = stemsOf(listed)
  const scans = listed.map((scan, n) => ({ ...scan, stem: stems[n]!, group: groupOf(scan.row) }))
  const labels = new Set(scans.map(({ group }) => group))
  labels.delete(UNLABELLED)
  if (options.control !== undefined && !labels.has(options.control)) {
    throw new InputError(
      `--control: no scan is labelled ${options.control}; labels there are: ${[...labels].join(', ') || 'none'}`,
    )
  }
  const control = options.control ?? (labels.has(classes[0]!) ? classes[0] : undefined)
  const order = [...(control === undefined ? [] : [control]), ...classes, ...labels]
  const groups = [...new Set(order)].filter((name) => labels.has(name))
  const names = options.covariates ?? USUAL.filter((name) => hasCovariate(cohort, name))
  const columns = readCovariates(cohort, options.columns)
  const bad = columns.faults.find(({ kind }) => kind === 'invalid')
  if (bad)
    throw new InputError(`--columns: ${cohort.rows[bad.row]!.participant}: ${bad.detail}; it cannot be correlated`)
  const empty = columns.names.find((_, c) =>
    cohort.rows.every((__, row) => Number.isNaN(columns.values[row * columns.names.length + c]!)),
  )
  if (empty !== undefined) throw new InputError(`--columns: ${empty} has no value in any row of ${table}`)
  const covariates = readCovariates(cohort, names)
  const notes = [...found.notes, ...covariates.notes, ...columns.notes]
  return { scans, groups, control, covariates, columns, notes: [...new Set(notes)] }
}

/** @throws InputError for a region that has no voxel on the scans' grid, or that the network does not see */
export function requireSeen(
  regions: readonly ChosenRegion[],
  placed: Atlas,
  description: NetworkDescription,
  scan: Volume,
): string[] {
  const count = (labels: Uint16Array, { places }: ChosenRegion) =>
    labels.reduce((n, label) => n + (places.includes(label - 1) ? 1 : 0), 0)
  const seen = regionsOfInput(description, scan, placed)
  return regions.flatMap((region) => {
    const [all, own] = [count(placed.labels, region), count(seen, region)]
    if (all === 0)
      throw new InputError(`${region.name} has no voxel on the grid of the scans: it is too small or lies outside`)
    if (own === 0) throw new InputError(`the network does not see ${region.name}: it lies outside of its input`)
    return own < all ? [`the network sees ${own} of the ${all} voxels of ${region.name}`] : []
  })
}
