/** Scans named on the command line, one by one or by a cohort's table, each with the covariates that its network needs. */
import { basename } from 'node:path'
import type { Command } from 'commander'
import { type CohortRow, parseCohort, unsafeName } from '../io/cohort/cohort.ts'
import { openCheckedCohort } from '../io/cohort/cohort-check.node.ts'
import { requireSound } from '../io/cohort/cohort-check.ts'
import { openCohort } from '../io/cohort/cohort-files.node.ts'
import { hasCovariate, readCovariates } from '../io/cohort/covariates.ts'
import { InputError } from '../io/errors.ts'
import type { Network } from '../model/description.ts'
import { type ScanCovariates, scanCovariates } from '../model/recipe/residual.ts'
import { addCohortOptions, type CohortCommandOptions, cohortOptions } from './cohort-options.ts'
import { stemOf } from './outputs.ts'
import { requireFiles } from './scans.ts'

export interface ListedScan {
  readonly path: string
  /** Of the cohort, where there is one. */
  readonly row?: CohortRow
  /** Empty where the network takes none. */
  readonly covariates: ScanCovariates
}

export interface ScanList {
  readonly scans: readonly ListedScan[]
  /** What was assumed of the table. */
  readonly notes: readonly string[]
}

/** Adds the options of listScans to a command whose last argument is `<scans...>`. */
export function addScanOptions(command: Command): Command {
  addCohortOptions(command)
  const covariates = command.options.find(({ long }) => long === '--covariates')!
  covariates.description = 'of single scans their values, age=71,sex=F,tiv=1450; of a table the columns, where unusual'
  return command
}

const isTable = (path: string) => /\.[tc]sv$/i.test(path)

/**
 * The scans that are meant: files, or the rows of one table.
 * @throws InputError for files that are missing, a table with problems, or covariates that the network needs and that are missing
 */
export async function listScans(
  paths: readonly string[],
  network: Network,
  options: CohortCommandOptions,
): Promise<ScanList> {
  const table = paths.find(isTable)
  if (table === undefined) return filesWithCovariates(paths, network, options.covariates)
  if (paths.length > 1) throw new InputError(`give either scans or one table of them, not ${table} among others`)
  const { cohort, notes, covariates } = await cohortForNetwork(table, network, options)
  return { scans: cohort.rows.map((row, n) => ({ path: row.scan!, row, covariates: covariates(n) })), notes }
}

async function filesWithCovariates(
  paths: readonly string[],
  network: Network,
  given: readonly string[] | undefined,
): Promise<ScanList> {
  await requireFiles(paths)
  const covariates = given ? covariateValues(given) : {}
  requireCovariates(network, covariates)
  const { residual } = network.description.recipe
  const notes = given && !residual ? ['the network takes no covariates: --covariates makes no difference'] : []
  return { scans: paths.map((path) => ({ path, covariates })), notes }
}

/** age=71,sex=F,tiv=1450 as numbers, read as a table's cells are. */
function covariateValues(given: readonly string[]): ScanCovariates {
  const pairs = given.map((text) => {
    const [, name, value] = /^([^=]+)=(.+)$/.exec(text) ?? []
    if (name !== undefined) return [name.trim(), value!.trim()] as const
    throw new InputError(`--covariates ${text}: single scans need values, as in age=71,sex=F,tiv=1450`)
  })
  const names = pairs.map(([name]) => name)
  const cells = pairs.map(([, value]) => value)
  const text = [
    ['participant_id', ...names],
    ['scan', ...cells],
  ]
  const lines = text.map((line) => line.join('\t')).join('\n')
  const read = readCovariates(parseCohort(lines, {}, '--covariates'), names)
  const [fault] = read.faults
  if (fault) throw new InputError(`--covariates: ${fault.detail}`)
  return scanCovariates(read, 0)
}

/** @throws InputError naming the covariates that the network needs and that are missing */
function requireCovariates({ description }: Network, given: ScanCovariates): void {
  const { residual } = description.recipe
  const missing = residual?.covariates.filter(({ name }) => given[name] === undefined) ?? []
  if (missing.length === 0 || residual?.missing === 'mean') return
  const named = missing.map(({ name, unit }) => `${name}${unit && ` (${unit})`}`).join(', ')
  const example = missing.map(({ name }) => `${name}=...`).join(',')
  throw new InputError(
    `the network needs covariates of each scan, and ${missing.length > 1 ? 'these are' : 'this one is'} missing: ${named}; ` +
      `give --covariates ${example}, or a table of the scans with these columns`,
  )
}

/**
 * A cohort, sound, with the covariates that a network needs of each row.
 * @throws InputError for what openCheckedCohort refuses, problems of the table or its scans, or missing covariates
 */
export async function cohortForNetwork(file: string, { description }: Network, options: CohortCommandOptions) {
  const { residual } = description.recipe
  const wanted = cohortOptions(options)
  const assignment = options.covariates?.find((name) => name.includes('='))
  if (assignment !== undefined) {
    throw new InputError(`--covariates ${assignment}: ${file} is a table, which has the values; name its columns alone`)
  }
  const table = await openCohort(file, wanted)
  const named = options.covariates ?? []
  const own = new Set(
    readCovariates(
      table,
      named.filter((name) => hasCovariate(table, name)),
    ).names,
  )
  // A covariate that was constant in training is only looked at; one whose mean may stand in may be missing altogether.
  const needed = residual?.covariates ?? []
  const optional = [...(residual?.leftOut ?? []), ...(residual?.missing === 'mean' ? needed : [])].map(
    ({ name }) => name,
  )
  const names = [...new Set([...needed, ...(residual?.leftOut ?? [])].map(({ name }) => name))].filter(
    (name) => !own.has(name) && (!optional.includes(name) || hasCovariate(table, name)),
  )
  if (options.missing === 'mean' && residual?.missing === 'refuse') {
    throw new InputError(
      '--missing mean: this network was trained to refuse scans with covariates missing; fill them in, or --missing drop',
    )
  }
  const missing = residual?.missing === 'mean' && options.missing === 'refuse' ? 'mean' : options.missing
  // Labels that are no class are no fault here: the network is only applied.
  const check = { ...wanted, covariates: [...named, ...names], missing, unlabelled: true }
  const { cohort, report } = await openCheckedCohort(file, check)
  requireSound(cohort, report)
  return {
    cohort,
    notes: report.notes,
    /** Of a row of the cohort. */
    covariates: (row: number): ScanCovariates => (report.covariates ? scanCovariates(report.covariates, row) : {}),
  }
}

/**
 * What the files of each scan are called: as the scan, or, where scans of a cohort share names, by who they are of.
 * @throws InputError when two would write over each other
 */
export function stemsOf(scans: readonly ListedScan[]): string[] {
  const byFile = scans.map(({ path }) => stemOf(path))
  const clash = firstTwice(byFile)
  if (!clash) return byFile
  if (!scans.every(({ row }) => row && !unsafeName(row.participant) && !(row.session && unsafeName(row.session)))) {
    const [one, other] = clash.map((n) => scans[n]!.path)
    throw new InputError(
      `${one} and ${other} would both be written as ${byFile[clash[0]]}_*; run them apart, with another --out folder each`,
    )
  }
  const byPerson = scans.map(({ row }) => nameOf(row!))
  const same = firstTwice(byPerson)
  if (!same) return byPerson
  throw new InputError(
    `${same.map((n) => basename(scans[n]!.path)).join(' and ')} are both of ${byPerson[same[0]]}; tell them apart by session_id`,
  )
}

const nameOf = ({ participant, session }: CohortRow) =>
  [`sub-${participant.replace(/^sub-/, '')}`, ...(session ? [`ses-${session.replace(/^ses-/, '')}`] : [])].join('_')

function firstTwice(names: readonly string[]): [number, number] | undefined {
  const seen = new Map<string, number>()
  for (const [n, name] of names.entries()) {
    const earlier = seen.get(name)
    if (earlier !== undefined) return [earlier, n]
    seen.set(name, n)
  }
  return undefined
}

/** Who a scan is of, for records. */
export function personOf({ row }: ListedScan) {
  if (!row) return {}
  return { participant: row.participant, ...(row.session !== undefined && { session: row.session }) }
}
