/** The work of voxplain explain: scans through the GPU, maps into files, failures told one by one. */
import { basename } from 'node:path'
import { GpuError } from '../engine/errors.ts'
import { busyBatch } from '../explain/batch.ts'
import { prepareScan } from '../explain/explain.ts'
import type { Attribution } from '../explain/method.ts'
import { regionsOfInput } from '../explain/regions/input-regions.ts'
import { InputError } from '../io/errors.ts'
import { invertRecipe } from '../model/recipe/recipe.ts'
import { type Crew, makeCrew } from './explain-crew.ts'
import { type Written, writeMap } from './explain-files.ts'
import { type Job, type LoadedScan, planScan, type Task } from './explain-task.ts'
import type { Made } from './explain-workers.ts'
import { withHint } from './network.ts'
import { type Outcome, readerOf, tellAbout } from './scans.ts'
import { formatTable } from './terminal.ts'

/**
 * A map of every scan for every method, class and setting. Each scan is read once. A group of scans is in memory as the
 * GPU works on it, and the next one, which is read and decompressed meanwhile; maps are written meanwhile, too.
 */
export async function explainEach(task: Task): Promise<Outcome<Written>[]> {
  const { scans, reporter, about, division } = task
  const { loaded } = about
  /** What is to be made of each scan, once its digest is known. */
  const plans: Job[][] = scans.map(() => [])
  const failures: (string | undefined)[] = scans.map(() => undefined)
  const fail = (index: number, error: string) => {
    const { path } = scans[index]!
    reporter.warn(error.startsWith(path) ? error : `${path}: ${error}`)
    failures[index] = error
  }
  let kept = 0
  const read = readerOf(
    scans.map(({ path }) => path),
    async (index, digest) => {
      if (division && (division.stopped() || !(await division.take(index, digest)))) return false
      plans[index] = await planScan(task, index, digest)
      const missing = plans[index]!.some(({ outcome }) => !outcome)
      if (!missing) await division?.done(index)
      return missing
    },
  )
  let next = 0
  const loadOne = async (): Promise<LoadedScan | undefined> => {
    while (next < scans.length && !division?.stopped()) {
      const index = next++
      const { path, covariates } = scans[index]!
      try {
        const { volume } = await read(index)
        kept += plans[index]!.filter(({ outcome }) => outcome).length
        if (!volume) continue
        const prepared = await withHint(loaded, volume, async () => prepareScan(loaded.network, volume, covariates))
        const regions = task.atlas && regionsOfInput(loaded.network.description, volume, task.atlas)
        tellAbout(path, prepared, reporter)
        return {
          index,
          volume,
          prepared: { ...prepared, regions },
          jobs: plans[index]!.filter(({ outcome }) => !outcome),
        }
      } catch (error) {
        if (!(error instanceof InputError)) throw error
        fail(index, error.message)
        division?.failed(index, error)
        await division?.done(index)
      }
    }
    return undefined
  }
  const loadGroup = async (size: number): Promise<LoadedScan[]> => {
    const group: LoadedScan[] = []
    while (group.length < size) {
      const scan = await loadOne()
      if (!scan) break
      group.push(scan)
    }
    return group
  }

  const began = performance.now()
  let finished = 0
  const tell = (count: number) => {
    finished += count
    const [seconds, failed] = [(performance.now() - began) / 1000, failures.filter((one) => one !== undefined).length]
    reporter.event('progress', {
      done: finished,
      failed,
      of: scans.length,
      seconds,
      scansPerSecond: finished / seconds,
    })
  }
  const crew = makeCrew(task)
  let writing: Promise<void> = Promise.resolve()
  try {
    const size = Math.min(scans.length, task.flags.batch ?? busyBatch(task.session.gpu, loaded.network, scans.length))
    let group = await loadGroup(size)
    while (group.length > 0 && !division?.stopped()) {
      const following = loadGroup(size)
      // Awaited in its turn; until then a failure must not count as unhandled.
      following.catch(() => undefined)
      for (const m of task.methods.keys()) {
        const todo = group.flatMap((scan) => scan.jobs.flatMap((job) => (job.method === m ? [{ scan, job }] : [])))
        if (todo.length === 0 || division?.stopped()) continue
        const made = await runMethod(task, crew, m, group, todo)
        await writing
        writing = writeAll(task, made, fail)
        writing.catch(() => undefined)
      }
      const made = group
      writing = writing.then(async () => {
        for (const { index } of made) await division?.done(index)
        tell(made.length)
      })
      writing.catch(() => undefined)
      group = await following
    }
    await writing
  } catch (error) {
    await writing.catch(() => undefined)
    if (!(error instanceof GpuError)) throw error
    tellGpuFailure(error, plans, failures, fail)
  } finally {
    crew.destroy()
  }
  if (kept > 0) reporter.note(`${kept} maps were there already and are kept; --force makes them anew`)
  return scans.flatMap(({ path }, index): Outcome<Written>[] => {
    const made = plans[index]!.flatMap(({ outcome }) => (outcome ? [{ scan: path, ...outcome }] : []))
    const failure = failures[index]
    const told = made.some((outcome) => 'error' in outcome)
    return failure === undefined || told ? made : [...made, { scan: path, error: failure }]
  })
}

interface MadeMap {
  readonly scan: LoadedScan
  readonly job: Job
  readonly made: Made | InputError
}

/** All maps of a group by one method. */
async function runMethod(
  { scans, reporter, methods }: Task,
  crew: Crew,
  m: number,
  group: readonly LoadedScan[],
  todo: readonly Omit<MadeMap, 'made'>[],
): Promise<MadeMap[]> {
  const [from, to] = [group[0]!.index, group.at(-1)!.index]
  const place = to > from ? `${from + 1} to ${to + 1}/${scans.length}` : `${from + 1}/${scans.length}`
  const name = to > from ? '' : ` ${basename(scans[from]!.path)}`
  const label = scans.length > 1 ? `${place}${name}` : name.trim()
  const bar = reporter.progress(methods.length > 1 ? `${label} ${methods[m]!.choice.name}` : label)
  const jobs = todo.map(({ scan, job }) => {
    const { tensor, plain, spacing, regions } = scan.prepared
    return {
      input: { tensor, plain, spacing, regions, target: job.target },
      variant: job.variant,
      file: scans[scan.index]!.path,
    }
  })
  const made = await crew.run(m, jobs, (share, detail) => bar.update(share, 1, detail))
  bar.clear()
  return todo.map((one, k) => ({ ...one, made: made[k]! }))
}

/** Maps that are written at the same time: one is drawn while the one before is compressed. */
const WRITTEN_TOGETHER = 2

/** Writes maps and tells of them in their order; what fails is told. */
async function writeAll(
  task: Task,
  made: readonly MadeMap[],
  fail: (index: number, error: string) => void,
): Promise<void> {
  const begun: (() => Promise<void>)[] = []
  for (const { scan, job, made: one } of made) {
    const writing = one instanceof InputError ? Promise.reject(one) : writeOne(task, scan, job, one)
    // Awaited in its turn; until then a failure must not count as unhandled.
    writing.catch(() => undefined)
    begun.push(async () => {
      try {
        const { files, report, lines } = await writing
        for (const line of lines) task.reporter.print(line)
        job.outcome = { result: { files, report } }
      } catch (error) {
        if (!(error instanceof InputError)) throw error
        fail(scan.index, error.message)
        task.division?.failed(scan.index, error)
        job.outcome = { error: error.message }
      }
    })
    if (begun.length === WRITTEN_TOGETHER) await begun.shift()!()
  }
  for (const end of begun) await end()
}

async function writeOne(
  { about, methods, scans, polish }: Task,
  scan: LoadedScan,
  job: Job,
  { attribution, change, summary, details }: Made,
): Promise<Written & { readonly lines: readonly string[] }> {
  const { path, covariates } = scans[scan.index]!
  const { recipe } = about.loaded.network.description
  const { files, report, line } = await writeMap(
    {
      stem: job.stem,
      choice: methods[job.method]!.choice,
      key: job.key,
      polish,
      target: attribution.target,
      map: invertRecipe(recipe, attribution.relevance, scan.volume),
      background: scan.volume,
      scans: [path],
      covariates: [covariates],
      nonFinite: scan.prepared.nonFinite,
      notes: scan.prepared.notes,
      details,
      change,
      summary,
    },
    about,
  )
  return { files, report, lines: [line, ...conservationTable(attribution).map((row) => `  ${row}`)] }
}

/** How much relevance arrives at every layer, where the method says so (facts sum:<layer>), as a share of what it begins with. */
function conservationTable({ facts }: Attribution): string[] {
  const sums = Object.entries(facts).flatMap(([name, sum]) =>
    name.startsWith('sum:') ? [{ layer: name.slice(4), sum }] : [],
  )
  const start = sums.at(-1)?.sum
  if (start === undefined) return []
  const rows = sums.map(({ layer, sum }) => [layer, sum.toPrecision(6), `${((100 * sum) / start).toFixed(2)} %`])
  return formatTable([['layer', 'sum of relevance', 'of the output'], ...rows], [1, 2])
}

/** When the GPU fails there is no going on: the first scan that is not done has the message, the others are not tried. */
function tellGpuFailure(
  { message }: GpuError,
  plans: readonly (readonly Job[])[],
  failures: (string | undefined)[],
  fail: (index: number, error: string) => void,
): void {
  const undone = (jobs: readonly Job[], index: number) =>
    failures[index] === undefined && (jobs.length === 0 || jobs.some(({ outcome }) => !outcome))
  const left = plans.flatMap((jobs, index) => (undone(jobs, index) ? [index] : []))
  const [first, ...others] = left.length > 0 ? left : [plans.length - 1]
  fail(first!, `${message}${others.length > 0 ? `; ${others.length} more not tried` : ''}`)
  for (const index of others) failures[index] = 'not tried: the GPU failed before'
}
