/** Networks with random weights beside the one of a study of relevance: the same scans, methods and regions. */
import type { Session } from '../engine/session.ts'
import { cascade, randomised } from '../explain/judge/randomise.ts'
import { besideRandom } from '../explain/study/random-networks.ts'
import type { ChosenRegion } from '../explain/study/relevance-regions.ts'
import type { CorrelationRow } from '../explain/study/relevance-study.ts'
import type { People } from './study-relevance-cohort.ts'
import { planWork, type RelevanceMethod, type RelevanceTask } from './study-relevance-plan.ts'
import { type MethodResults, methodResults, type RandomComparison } from './study-relevance-results.ts'
import { runMethod } from './study-relevance-work.ts'

/** The studies of --random networks, drawn as before training from seeds that follow the study's. */
export function randomTasks(task: RelevanceTask): RelevanceTask[] {
  const { loaded, options } = task
  const { network } = loaded
  const layers = cascade(network)
  return Array.from({ length: options.random }, (_, n) => ({
    ...task,
    random: n + 1,
    loaded: { ...loaded, network: randomised(network, layers, (options.seed ?? 0) + n + 1) },
    options: { ...options, keepMaps: false },
  }))
}

/** Maps that are missing of all of them, by method. */
export async function randomTodo(tasks: readonly RelevanceTask[], digests: readonly string[]) {
  const todo = new Map<RelevanceMethod, number>()
  for (const task of tasks) {
    for (const one of await planWork(task, digests)) {
      todo.set(one.method, (todo.get(one.method) ?? 0) + one.todo.length)
    }
  }
  return todo
}

export interface RandomStudies {
  readonly failed: boolean
  /** Correlations by each network, of each method. */
  readonly found: ReadonlyMap<RelevanceMethod, readonly (readonly CorrelationRow[])[]>
}

/** Makes what is missing, one network after the other: sums of whole maps are in memory of one at a time. */
export async function runRandom(
  session: Session | undefined,
  tasks: readonly RelevanceTask[],
  digests: readonly string[],
  people: People,
  regions: readonly ChosenRegion[],
): Promise<RandomStudies> {
  const found = new Map<RelevanceMethod, (readonly CorrelationRow[])[]>()
  let failed = false
  for (const task of tasks) {
    for (const work of await planWork(task, digests)) {
      failed = (await runMethod(session, task, work)) || failed
      if (work.state.scans.length === 0) continue
      const { study } = methodResults(task, work, people, regions)
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
