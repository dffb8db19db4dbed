/** Networks with random weights beside the one of a study of relevance: the same scans, methods and regions. */
import type { Session } from '../engine/session.ts'
import { besideRandom } from '../explain/study/random-networks.ts'
import type { ChosenRegion } from '../explain/study/relevance-regions.ts'
import type { CorrelationRow } from '../explain/study/relevance-study.ts'
import { initialise } from '../model/architectures.ts'
import type { People } from './study-relevance-cohort.ts'
import { planWork, type RelevanceMethod, type RelevanceTask } from './study-relevance-plan.ts'
import { type MethodResults, methodResults, type RandomComparison } from './study-relevance-results.ts'
import { runMethod } from './study-relevance-work.ts'

/** The studies of --random networks one by one, drawn as before training from seeds that follow the study's. */
function* randomTasks(task: RelevanceTask): Generator<RelevanceTask> {
  const { loaded, options } = task
  const { network } = loaded
  for (let random = 1; random <= options.random; random++) {
    const { weights } = initialise(network.description, (options.seed ?? 0) + random)
    yield {
      ...task,
      random,
      loaded: { ...loaded, network: { ...network, weights } },
      options: { ...options, keepMaps: false },
    }
  }
}

/** Maps that are missing of all of them, by method. */
export async function randomTodo(task: RelevanceTask, digests: readonly string[]) {
  const todo = new Map<RelevanceMethod, number>()
  for (const other of randomTasks(task)) {
    for (const { method, todo: own } of await planWork(other, digests)) {
      todo.set(method, (todo.get(method) ?? 0) + own.length)
    }
  }
  return todo
}

export interface RandomStudies {
  readonly failed: boolean
  /** Correlations by each network, of each method. */
  readonly found: ReadonlyMap<RelevanceMethod, readonly (readonly CorrelationRow[])[]>
}

/**
 * Makes what is missing, one network after the other: weights and sums of whole maps are in memory of one at a time.
 * @param session undefined where nothing is missing
 */
export async function runRandom(
  session: Session | undefined,
  task: RelevanceTask,
  digests: readonly string[],
  people: People,
  regions: readonly ChosenRegion[],
): Promise<RandomStudies> {
  const found = new Map<RelevanceMethod, (readonly CorrelationRow[])[]>()
  let failed = false
  for (const other of randomTasks(task)) {
    for (const work of await planWork(other, digests)) {
      if (session) failed = (await runMethod(session, other, work)) || failed
      if (work.state.scans.length === 0) continue
      const { study } = methodResults(other, work, people, regions)
      found.set(work.method, [...(found.get(work.method) ?? []), study.correlations])
    }
  }
  return { failed, found }
}

export function compareWithRandom(methods: readonly MethodResults[], { found }: RandomStudies): RandomComparison[] {
  const others = new Map([...found].map(([{ choice }, rows]) => [choice, rows]))
  return methods.flatMap(({ choice, study }) =>
    others.has(choice) ? [{ choice, rows: besideRandom(study.correlations, others.get(choice)!) }] : [],
  )
}
