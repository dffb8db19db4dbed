/** What a study of relevance would take. */
import type { Gpu } from '../engine/gpu.ts'
import { megabytes } from '../engine/gpu.ts'
import type { MethodWork, RelevanceMethod, RelevanceTask } from './study-relevance-plan.ts'
import { loadScan, openRelevanceWorker } from './study-relevance-work.ts'
import { digits, formatTable } from './terminal.ts'

/**
 * Memory and time of each method, from one map by it, which is not kept.
 * @param random maps by networks with random weights, of each method
 */
export async function estimate(
  gpu: Gpu,
  task: RelevanceTask,
  work: readonly MethodWork[],
  random: ReadonlyMap<RelevanceMethod, number>,
): Promise<void> {
  const rows = [['method', 'maps', 'GPU memory', 's a map', 'minutes']]
  let [maps, seconds] = [0, 0]
  for (const { method, todo } of work) {
    const wanted = todo.length + (random.get(method) ?? 0)
    if (wanted === 0) continue
    const worker = await openRelevanceWorker(gpu, task, method, wanted)
    try {
      const many = Math.min(worker.batch, wanted)
      const { prepared } = await loadScan(task, method, 0)
      const { path } = task.scans[0]!
      const input = { ...prepared, target: task.target }
      const jobs = Array.from({ length: many }, () => ({
        input,
        variant: { suffix: '', settings: method.settings },
        file: path,
      }))
      const began = performance.now()
      await worker.run(jobs, () => undefined)
      const each = (performance.now() - began) / 1000 / many
      maps += wanted
      seconds += each * wanted
      rows.push([
        method.choice.name,
        String(wanted),
        megabytes(worker.memory.total),
        digits(each),
        digits((each * wanted) / 60),
      ])
    } finally {
      worker.destroy()
    }
  }
  rows.push(['all', String(maps), '', '', digits(seconds / 60)])
  for (const line of formatTable(rows, [1, 2, 3, 4])) task.reporter.print(line)
}
