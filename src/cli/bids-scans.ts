/** The scans of a data set, who they are of, and what is made of them is called. */
import { basename, relative, sep } from 'node:path'
import { findDataset } from '../io/bids/find.node.ts'
import { anatFolder, bidsName, labelOf, sourceEntities } from '../io/bids/names.ts'
import { type Cohort, type CohortRow, participantKey, rowName, sessionKey, unsafeName } from '../io/cohort/cohort.ts'
import { hasCovariate, readCovariates } from '../io/cohort/covariates.ts'
import { InputError } from '../io/errors.ts'
import type { Network } from '../model/description.ts'
import { type ScanCovariates, scanCovariates } from '../model/recipe/residual.ts'
import type { BidsCommandOptions } from './bids-options.ts'
import type { ListedScan } from './scan-list.ts'

export interface BidsScan extends ListedScan {
  readonly row: CohortRow
  /** sub-01_ses-2: names claims and failures. */
  readonly id: string
  /** Folder of its maps below the output: sub-01/ses-2/anat. */
  readonly folder: string
  /** Folder and name of its maps, up to desc. */
  readonly stem: string
  /** The scan below the data set, with slashes. */
  readonly source: string
}

export interface BidsScans {
  readonly scans: readonly BidsScan[]
  /** Who has no scan that could be used, and why; this is a failure. */
  readonly faults: readonly { readonly name: string; readonly error: string }[]
  readonly notes: readonly string[]
  readonly cohort: Cohort
}

/** All scans that were asked for, in the order of the table or the folders, before any division of the work. */
export async function listBids(
  root: string,
  options: BidsCommandOptions,
  network: Pick<Network, 'description'> | undefined,
): Promise<BidsScans> {
  const { participantLabel: participants, sessionLabel: sessions, pattern, modulated, fwhm, labelColumn } = options
  const { cohort, asked } = await findDataset(root, { participants, sessions, pattern, modulated, fwhm, labelColumn })
  const covariates = covariatesFor(cohort, network)
  const faults: { name: string; error: string }[] = []
  const without: string[] = []
  const scans: BidsScan[] = []
  for (const n of asked) {
    const row = cohort.rows[n]!
    if (row.scan === undefined) {
      // Not everybody in a table was scanned; but a map that cannot be told from another, or a name that leads elsewhere, is wrong.
      if (/^no file in /.test(row.scanFault!)) without.push(rowName(row))
      else faults.push({ name: rowName(row), error: row.scanFault! })
      continue
    }
    try {
      scans.push(nameScan(root, row, covariates(n)))
    } catch (error) {
      if (!(error instanceof InputError)) throw error
      faults.push({ name: rowName(row), error: error.message })
    }
  }
  if (scans.length === 0 && faults.length === 0) {
    throw new InputError(
      `${root} has no grey-matter maps: ${cohort.rows[asked[0]!]?.scanFault ?? 'nobody was asked for'}`,
    )
  }
  refuseClashes(scans)
  const some = `${without.slice(0, 5).join(', ')}${without.length > 5 ? ', ...' : ''}`
  const notes = without.length > 0 ? [`${without.length} without a grey-matter map are passed over: ${some}`] : []
  return { scans, faults, notes, cohort }
}

function nameScan(root: string, row: CohortRow, covariates: ScanCovariates): BidsScan {
  const sub = requireLabel(participantKey(row), 'participant')
  const ses = row.session === undefined ? undefined : requireLabel(sessionKey(row), 'session')
  const path = row.scan!
  const entities = sourceEntities(basename(path), sub, ses)
  const folder = anatFolder(entities)
  const id = [`sub-${sub}`, ...(ses === undefined ? [] : [`ses-${ses}`])].join('_')
  const source = relative(root, path).split(sep).join('/')
  return { path, row, covariates, id, folder, stem: `${folder}/${bidsName(entities)}`, source }
}

function requireLabel(name: string, what: string): string {
  const unsafe = unsafeName(name)
  if (unsafe) throw new InputError(unsafe)
  const label = labelOf(name)
  if (label === '') throw new InputError(`the ${what} "${name}" has no letter or digit (a to z, 0 to 9) to be named by`)
  return label
}

function refuseClashes(scans: readonly BidsScan[]): void {
  const seen = new Map<string, BidsScan>()
  for (const scan of scans) {
    // Two names that differ in case alone are one on many disks.
    const key = scan.id.toLowerCase()
    const other = seen.get(key)
    if (other) {
      throw new InputError(
        `${rowName(other.row)} and ${rowName(scan.row)} would both be written as ${scan.id}; names differ by letters and digits`,
      )
    }
    seen.set(key, scan)
  }
}

/**
 * Covariates that the network needs, by row.
 * @throws InputError when one has no column in any table
 */
function covariatesFor(
  cohort: Cohort,
  network: Pick<Network, 'description'> | undefined,
): (row: number) => ScanCovariates {
  const residual = network?.description.recipe.residual
  if (!residual) return () => ({})
  const lenient = residual.missing === 'mean'
  const needed = residual.covariates.map(({ name }) => name)
  const optional = residual.leftOut.map(({ name }) => name)
  const there = (name: string) => hasCovariate(cohort, name)
  const names = [...new Set([...needed.filter((name) => !lenient || there(name)), ...optional.filter(there)])]
  const read = readCovariates(cohort, names)
  return (row) => {
    const fault = read.faults.find((one) => one.row === row && needed.includes(one.covariate))
    if (fault && !(lenient && fault.kind === 'missing')) {
      throw new InputError(`${fault.detail}, which the network needs; add it to the table of participants or sessions`)
    }
    return scanCovariates(read, row)
  }
}
