/** What voxplain explain is asked to do: maps, their names, what they depend on, and which of them are there already. */
import { join } from 'node:path'
import type { Session } from '../engine/session.ts'
import type { PreparedScan } from '../explain/explain.ts'
import type { MethodInput } from '../explain/method.ts'
import type { MethodChoice } from '../explain/methods.ts'
import type { PostprocessOptions } from '../explain/postprocess/postprocess.ts'
import type { Atlas } from '../io/atlas/atlas.ts'
import type { NiftiVolume } from '../io/nifti.ts'
import type { About, Written } from './explain-files.ts'
import { keyOf, recordOf } from './explain-keep.ts'
import type { CommonFlags, MaskPlan } from './explain-options.ts'
import type { Variant } from './explain-workers.ts'
import type { ListedScan } from './scan-list.ts'
import type { Reporter } from './terminal.ts'

/** A method of --method with all that flags say about it. */
export interface PlannedMethod {
  readonly choice: MethodChoice
  /** Of masks. */
  readonly mask?: MaskPlan
  readonly variants: readonly Variant[]
}

export interface Task {
  readonly session: Session
  readonly about: About
  readonly methods: readonly PlannedMethod[]
  /** Classes by index; undefined: the predicted one. */
  readonly targets: readonly (number | undefined)[]
  readonly scans: readonly ListedScan[]
  /** Names of the files to be written, one a scan. */
  readonly stems: readonly string[]
  readonly flags: CommonFlags
  readonly out: string
  /** Make maps anew that are there already. */
  readonly force: boolean
  /** What becomes of maps before they are written. */
  readonly polish: PostprocessOptions | undefined
  /** For methods that work region by region. */
  readonly atlas: Atlas | undefined
  /** All that maps depend on beside scan, method and class. */
  readonly facts: object
  readonly reporter: Reporter
  /** Where other processes work on the same scans. */
  readonly division?: Division
  /** What maps are called, where not as mapStem has it. @param className where there are several classes */
  readonly nameOf?: (stem: string, job: JobName, className: string | undefined) => string
}

/** How a run shares its scans with other processes. Scans go by their index in the task. */
export interface Division {
  /** Whether the scan is this process's to work on now; asked before it is looked up which of its maps are there. */
  take(index: number, digest: string): Promise<boolean>
  /** All that could be made of a scan that was taken is made. */
  done(index: number): Promise<void>
  /** A scan, or a map of it, has failed. */
  failed(index: number, error: unknown): void
  /** Whether nothing more shall be begun. */
  stopped(): boolean
}

/** One map to be made. */
export interface Job {
  readonly method: number
  readonly variant: Variant
  readonly target: number | undefined
  readonly stem: string
  readonly key: string
  outcome?: { readonly result: Written } | { readonly error: string }
}

/** A scan in memory, and the maps of it that are still to be made. */
export interface LoadedScan {
  readonly index: number
  readonly volume: NiftiVolume
  readonly prepared: PreparedScan & Pick<MethodInput, 'regions'>
  readonly jobs: readonly Job[]
}

/** Path of a map without an ending. */
export function mapStem(
  { out, about, targets, nameOf }: Task,
  stem: string,
  job: Pick<Job, 'target'> & JobName,
): string {
  const { classes } = about.loaded.network.description.recipe
  if (nameOf) return join(out, nameOf(stem, job, targets.length > 1 ? classes[job.target!] : undefined))
  const class_ = targets.length > 1 ? `_target-${classes[job.target!]!.replace(/[^A-Za-z0-9]+/g, '')}` : ''
  return join(out, `${stem}${job.variant.suffix}${class_}_desc-${job.choice.name}_relevance`)
}

/** What a map is called by. */
export interface JobName {
  readonly variant: Variant
  readonly choice: MethodChoice
}

/** Hash of all that a map depends on. @param scans what it is made of. */
export function mapKey({ facts }: Task, job: JobName & Pick<Job, 'target'>, scans: readonly object[]): string {
  const { choice, variant, target } = job
  return keyOf({ ...facts, method: choice.method.name, settings: variant.settings, target: target ?? null, scans })
}

/** How many maps method m makes of a scan. */
export const mapsOf = ({ methods, targets }: Task, m: number) => methods[m]!.variants.length * targets.length

/** The maps of one scan, in the order of their results; those that are there already have one. */
export async function planScan(task: Task, index: number, digest: string): Promise<Job[]> {
  const { methods, targets, scans, stems, force } = task
  const about = [{ digest, covariates: scans[index]!.covariates }]
  const jobs: Job[] = []
  for (const [method, { choice, variants }] of methods.entries()) {
    for (const target of targets) {
      for (const variant of variants) {
        const name = { choice, variant, target }
        const key = mapKey(task, name, about)
        const stem = mapStem(task, stems[index]!, name)
        const report = force ? undefined : await recordOf(stem, key)
        const outcome = report && { outcome: { result: keptMap(stem, report) } }
        jobs.push({ method, variant, target, stem, key, ...outcome })
      }
    }
  }
  return jobs
}

/** A map that is there already, as an outcome. */
export function keptMap(stem: string, report: object): Written {
  return { files: [`${stem}.nii.gz`, `${stem}.png`, `${stem}.json`], report: { kept: true, ...report } }
}
