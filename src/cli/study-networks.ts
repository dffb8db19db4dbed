/** The networks of a cross-validation folder (voxplain cv), and whom each was tested on. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Context, contextName } from '../explain/study/contexts.ts'
import { InputError } from '../io/errors.ts'
import { TEST, VALIDATION } from '../model/crossval/crossval.ts'
import type { Network } from '../model/description.ts'
import { type PredictionRow, parsePredictions } from '../model/evaluation/predictions.ts'
import { readNetwork } from '../model/network-files.node.ts'
import { predictionsFile } from './cv-folder.ts'
import { networkDigest } from './explain-keep.ts'

export interface StudyNetwork extends Context {
  readonly network: Network
  readonly digest: string
  /** Of the fold's validation scans, and of the test set where there is one. */
  readonly tested: { readonly validation: readonly PredictionRow[]; readonly test: readonly PredictionRow[] }
}

export interface StudyFolder {
  /** By fold, then by run. */
  readonly networks: readonly StudyNetwork[]
  readonly folds: number
  readonly runs: number
  readonly classes: readonly string[]
  /** Class of a label; labels that are none of the classes have none. */
  classOf(label: string | undefined): string | undefined
  /** The seed with which the labels were shuffled, if they were. */
  readonly shuffled: number | undefined
}

/**
 * Opens all networks of a folder.
 * @throws InputError for a folder without networks, one with a network missing, fewer than two folds or runs, or networks that
 *   do not see scans alike
 */
export async function openStudyNetworks(folder: string): Promise<StudyFolder> {
  const contexts = await contextsIn(folder)
  const [folds, runs] = [new Set(contexts.map(({ fold }) => fold)).size, new Set(contexts.map(({ run }) => run)).size]
  if (runs < 2) {
    throw new InputError(
      `${folder} has one run a fold; how networks differ by their seed needs two: voxplain cv --runs 2`,
    )
  }
  if (folds < 2) throw new InputError(`${folder} has one fold; how networks differ by their scans needs two`)
  const missing = Array.from({ length: folds * runs }, (_, n) => ({ fold: Math.floor(n / runs), run: n % runs })).find(
    ({ fold, run }) => !contexts.some((one) => one.fold === fold && one.run === run),
  )
  if (missing) {
    throw new InputError(
      `${folder} has no network of ${contextName(missing)}: the cross-validation has not ended; go on with it (voxplain cv --resume)`,
    )
  }
  const settings = await settingsIn(folder)
  const networks: StudyNetwork[] = []
  for (const context of contexts) networks.push(await openOne(folder, context, settings.classes))
  requireAlike(networks)
  const { classes } = networks[0]!.network.description.recipe
  return {
    networks,
    folds,
    runs,
    classes,
    classOf(label) {
      if (label === undefined) return undefined
      const name = settings.classOf[label] ?? label
      return classes.includes(name) ? name : undefined
    },
    shuffled: settings.shuffled,
  }
}

const partName = ({ fold, run }: Context) => join(`fold-${fold}`, `run-${run}`)

async function contextsIn(folder: string): Promise<Context[]> {
  const names = async (path: string) => readdir(path).catch(() => [] as string[])
  const numbers = (list: readonly string[], stem: string) =>
    list.flatMap((name) =>
      name.startsWith(stem) && /^\d+$/.test(name.slice(stem.length)) ? [Number(name.slice(stem.length))] : [],
    )
  const found: Context[] = []
  for (const fold of numbers(await names(folder), 'fold-').sort((a, b) => a - b)) {
    for (const run of numbers(await names(join(folder, `fold-${fold}`)), 'run-').sort((a, b) => a - b)) {
      // The record of a part comes last: without it the training has not ended.
      const files = await names(join(folder, partName({ fold, run })))
      if (files.includes('network.safetensors') && files.includes('metrics.json')) found.push({ fold, run })
    }
  }
  if (found.length > 0) return found
  throw new InputError(
    `${folder} holds no networks of a cross-validation (fold-0/run-0/network.safetensors, ...); make it with voxplain cv`,
  )
}

interface FolderSettings {
  readonly classes: readonly string[] | undefined
  readonly classOf: Readonly<Record<string, string>>
  readonly shuffled: number | undefined
}

async function settingsIn(folder: string): Promise<FolderSettings> {
  const file = join(folder, 'study.json')
  const text = await readFile(file, 'utf8').catch(() => undefined)
  if (text === undefined) return { classes: undefined, classOf: {}, shuffled: undefined }
  try {
    const { settings = {} } = JSON.parse(text)
    return { classes: settings.classes, classOf: settings['class of label'] ?? {}, shuffled: settings.shuffleLabels }
  } catch (error) {
    throw new InputError(`${file} is damaged: ${(error as Error).message}`)
  }
}

async function openOne(
  folder: string,
  context: Context,
  classes: readonly string[] | undefined,
): Promise<StudyNetwork> {
  const own = join(folder, partName(context))
  const { network } = await readNetwork(join(own, 'network.safetensors'))
  const read = async (set: string, needed: boolean) => {
    const file = join(own, predictionsFile(set))
    const text = await readFile(file, 'utf8').catch(() => undefined)
    if (text === undefined) {
      if (needed) throw new InputError(`${file} is missing: it says whom the network was tested on`)
      return []
    }
    const { rows } = parsePredictions(text, { classes: classes ?? network.description.recipe.classes, name: file })
    return rows
  }
  const tested = { validation: await read(VALIDATION, true), test: await read(TEST, false) }
  return { ...context, network, digest: networkDigest(network), tested }
}

/** Masks of one network are put before the others: all must see scans alike. */
function requireAlike(networks: readonly StudyNetwork[]): void {
  const facts = ({ network: { description } }: StudyNetwork) => {
    const { residual, ...recipe } = description.recipe
    return JSON.stringify([description.input, recipe, residual !== undefined])
  }
  const odd = networks.find((one) => facts(one) !== facts(networks[0]!))
  if (odd) {
    throw new InputError(
      `the networks of ${contextName(networks[0]!)} and ${contextName(odd)} have other inputs, recipes or classes, so that masks of one say nothing to the other`,
    )
  }
}
