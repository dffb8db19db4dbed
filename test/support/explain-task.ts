/** What voxplain explain would be asked to do, without its command line (Node only). */
import { readFile } from 'node:fs/promises'
import { openMethods } from '../../src/cli/explain-options.ts'
import type { Task } from '../../src/cli/explain-task.ts'
import { makeReporter } from '../../src/cli/terminal.ts'
import type { Gpu } from '../../src/engine/gpu.ts'
import { openSession } from '../../src/engine/session.ts'
import { loadNetwork } from '../../src/model/formats/format.ts'
import { makePlace, tinyScan } from './cli.ts'

/** Scans, the tiny network and methods as a task, one scan at a time. */
export async function explainTask(
  gpu: Gpu,
  count: number,
  method: string,
): Promise<{ task: Task; clear: () => Promise<void> }> {
  const place = await makePlace()
  const scans = await Promise.all(
    Array.from({ length: count }, async (_, n) => ({
      path: await place.scan(`${n}.nii.gz`, tinyScan(n + 1)),
      covariates: {},
    })),
  )
  const loaded = { network: loadNetwork(await readFile(place.network)), notes: [], suggested: [] }
  const choices = await openMethods({ method }, loaded)
  const task: Task = {
    session: await openSession(async () => gpu),
    about: { network: place.network, loaded, adapter: gpu.name, software: gpu.software, versions: {} },
    methods: choices.map((choice) => ({ choice, variants: [{ suffix: '', settings: choice.settings }] })),
    targets: [1],
    scans,
    stems: scans.map((_, n) => String(n)),
    flags: { batch: 1 },
    out: place.folder,
    force: false,
    polish: undefined,
    atlas: undefined,
    facts: {},
    reporter: makeReporter({ out() {}, err() {}, interactive: false, columns: 80 }, false),
  }
  return { task, clear: place.clear }
}
