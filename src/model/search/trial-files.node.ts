/**
 * A search in a folder (Node only): search.json (what the search is), trials.tsv, network.safetensors (the best), and
 * trial-N/ with network.json, metrics.json, training.tsv and network.safetensors. Files are replaced as a whole, and
 * metrics.json, which says that a trial is over, is written last.
 */
import { mkdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { claimFolder } from '../../io/claimed-folder.node.ts'
import { readFileChecked, writeFileAtomic } from '../../io/files.node.ts'
import { loadNetwork, saveNetwork } from '../formats/format.ts'
import { checkpointFile } from '../training/train-files.node.ts'
import { historyTable } from '../training/train-history.ts'
import type { TrialStore } from './search.ts'
import type { TrialOutcome } from './trial.ts'
import { trialsTable } from './trial-table.ts'

/**
 * The store of a search in a folder, made where it is missing.
 * @param identity what the search's results depend on, save the number of trials; JSON
 * @param resume whether a search that is there goes on
 * @throws InputError when the folder holds a search and none is to go on, or another one, saying what differs
 */
export async function searchFolder(
  folder: string,
  identity: Readonly<Record<string, unknown>>,
  resume: boolean,
): Promise<TrialStore> {
  await claimFolder(folder, { file: 'search.json', kind: 'search', settings: identity, resume })
  const trialFolder = (trial: number) => join(folder, `trial-${trial}`)
  const bytesOf = (trial: number) => readFileChecked(join(trialFolder(trial), 'network.safetensors'))
  let exported: number | undefined
  return {
    async read(trial) {
      const text = await readFile(join(trialFolder(trial), 'metrics.json'), 'utf8').catch(absent)
      return text === undefined ? undefined : (JSON.parse(text, withNaN) as TrialOutcome)
    },
    async begin(trial, { network }) {
      const own = trialFolder(trial)
      await mkdir(own, { recursive: true })
      await writeFileAtomic(join(own, 'network.json'), json(network.description))
      return checkpointFile(join(own, 'checkpoint.safetensors'))
    },
    async finish(outcome, result) {
      const own = trialFolder(outcome.trial)
      await mkdir(own, { recursive: true })
      if (result) {
        await writeFileAtomic(join(own, 'training.tsv'), historyTable(result.history, result.best))
        await writeFileAtomic(join(own, 'network.safetensors'), saveNetwork(result.network))
      }
      await writeFileAtomic(join(own, 'metrics.json'), json(outcome))
      await rm(join(own, 'checkpoint.safetensors'), { force: true })
    },
    async list(outcomes, best) {
      if (best && best.trial !== exported) {
        await writeFileAtomic(join(folder, 'network.safetensors'), await bytesOf(best.trial))
        exported = best.trial
      }
      await writeFileAtomic(join(folder, 'trials.tsv'), trialsTable(outcomes, best))
    },
    network: async (trial) => loadNetwork(await bytesOf(trial), { name: `trial ${trial}` }),
  }
}

function absent(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error
}

const json = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`
/** JSON has no NaN: an AUC of scans of one kind. */
const withNaN = (key: string, value: unknown) => (key === 'auc' && value === null ? Number.NaN : value)
