/** The work of level participant: scans are claimed one by one, and what other processes are at is waited for. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Claims } from './bids-claims.ts'
import type { BidsScan } from './bids-scans.ts'
import { makeInside, noteFailure, sweep } from './bids-state.ts'
import type { Stop } from './bids-stop.ts'
import { inOutput, plannedMaps } from './bids-task.ts'
import type { Written } from './explain-files.ts'
import type { Division, Task } from './explain-task.ts'
import { explainEach } from './explain-work.ts'
import type { Outcome } from './scans.ts'

/** How often it is looked whether another process is done with a scan, in ms. */
const POLL = 500

export interface SharedWork {
  readonly scans: readonly BidsScan[]
  readonly claims: Claims
  readonly stop: Pick<Stop, 'signal'>
  /** Short hashes of what a map depends on, by its stem; filled as scans are read. */
  readonly parts: Map<string, { readonly scan: BidsScan; readonly parts: object }>
}

export interface SharedResult {
  readonly outcomes: readonly Outcome<Written>[]
  /** Why the rest was not tried. */
  readonly broken: string | undefined
}

/**
 * All maps of the scans. A scan that another process has claimed is left to it; when all others are done, those are looked
 * at again, and made where that process died or failed.
 * @param task its scans are those of `work`
 */
export async function explainShared(
  task: Omit<Task, 'scans' | 'stems' | 'division'>,
  work: SharedWork,
): Promise<SharedResult> {
  const outcomes: Outcome<Written>[] = []
  let left = work.scans
  let full: string | undefined
  for (let round = 0; left.length > 0; round++) {
    const busy: BidsScan[] = []
    const scans = left
    const division: Division = {
      async take(index, digest) {
        const scan = scans[index]!
        if (!work.claims.take(scan.id)) {
          busy.push(scan)
          return false
        }
        const folder = await makeInside(task.out, scan.folder)
        // Nobody else works there now: what is half done is of a process that was killed.
        sweep(folder)
        for (const { stem, parts } of plannedMaps(task, scan, digest)) work.parts.set(stem, { scan, parts })
        return true
      },
      async done(index) {
        work.claims.release(scans[index]!.id)
      },
      failed(_, error) {
        const code = ((error as Error).cause as NodeJS.ErrnoException | undefined)?.code
        if (code === 'ENOSPC' || code === 'EDQUOT') full ??= (error as Error).message
      },
      stopped: () => work.stop.signal() !== undefined || full !== undefined,
    }
    // What another process made meanwhile is as new as it can be.
    const force = task.force && round === 0
    const made = await explainEach({ ...task, force, scans, stems: scans.map(({ stem }) => stem), division })
    outcomes.push(...made)
    await noteOutcomes(task.out, scans, made)
    left = division.stopped() ? [] : busy
    if (left.length > 0) await untilFree(left, work, task)
  }
  return { outcomes, broken: full }
}

/** Waits until one of the scans is no longer worked on by a living process. */
async function untilFree(
  scans: readonly BidsScan[],
  { claims, stop }: SharedWork,
  { reporter }: Pick<Task, 'reporter'>,
): Promise<void> {
  const names = new Set(scans.map(({ id }) => id))
  let told = false
  while (stop.signal() === undefined) {
    const held = claims.list().filter(({ name, stale }) => names.has(name) && !stale)
    if (held.length < names.size) return
    if (!told) reporter.note(`${held.length} scans are worked on by other processes; waiting for them`)
    told = true
    await sleep(POLL)
  }
}

/** Failures are kept for voxplain status until the scan is done. */
async function noteOutcomes(out: string, scans: readonly BidsScan[], made: readonly Outcome<Written>[]): Promise<void> {
  const byPath = new Map(scans.map((scan) => [scan.path, scan]))
  const errors = new Map<string, string | undefined>()
  for (const outcome of made) {
    const { id } = byPath.get(outcome.scan)!
    errors.set(id, errors.get(id) ?? ('error' in outcome ? outcome.error : undefined))
  }
  for (const [id, error] of errors) await noteFailure(out, id, error)
}

/** What is left for nobody to see when a process has to go at once. */
export function giveUp(out: string, { scans, claims }: SharedWork): void {
  const own = new Set(claims.own())
  for (const scan of scans) if (own.has(scan.id)) sweep(inOutput(out, scan))
  claims.releaseAll()
}
