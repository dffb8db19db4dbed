/** Predictions to evaluate: read from tables, or made by a network. */
import { basename, dirname, resolve } from 'node:path'
import type { Precision } from '../engine/precision.ts'
import { onEach } from '../engine/session.ts'
import { makePredictor } from '../explain/predict.ts'
import type { Cohort } from '../io/cohort/cohort.ts'
import { parseLabelMapping } from '../io/cohort/cohort-labels.ts'
import { decodeTable } from '../io/cohort/table.ts'
import { InputError } from '../io/errors.ts'
import { readFileChecked } from '../io/files.node.ts'
import type { Network } from '../model/description.ts'
import { type Contrast, contrastSamples } from '../model/evaluation/contrast.ts'
import { softmaxOf } from '../model/evaluation/metrics.ts'
import { classesDescribed, type Predictions, parsePredictions, predictionRow } from '../model/evaluation/predictions.ts'
import type { CohortCommandOptions } from './cohort-options.ts'
import { describeGpu, describeMemory, withSession } from './gpu.ts'
import { type ImportCommandOptions, importOptions, openNetwork, withHint } from './network.ts'
import { cohortForNetwork } from './scan-list.ts'
import { forEachScan, tellAbout } from './scans.ts'
import type { Reporter } from './terminal.ts'

export interface NamedFile {
  /** Default: see nameOf. */
  readonly name: string | undefined
  readonly file: string
}

export interface EvaluateCommandOptions extends CohortCommandOptions, ImportCommandOptions {
  predictions: NamedFile[]
  cohort: NamedFile[]
  contrast?: Contrast[]
  out?: string
  draws: number
  level: number
  seed: number
  recipe?: string
  memoryLimit?: number
  precision: Precision
  json?: boolean
}

export interface NamedPredictions {
  readonly name: string
  readonly predictions: Predictions
}

export interface Inputs {
  readonly sets: readonly NamedPredictions[]
  /** Some scans could not be used. */
  readonly failed: boolean
  /** What made the predictions, for the record. */
  readonly about: Readonly<Record<string, unknown>>
  /** Class of a label, where the user mapped labels. */
  readonly classOf: ReadonlyMap<string, string> | undefined
}

/** The name given, else that of the file, else (participants.tsv) that of its folder. */
function nameOf({ name, file }: NamedFile): string {
  if (name !== undefined) return name
  const stem = basename(file).replace(/\.[tc]sv$/i, '')
  return stem === 'participants' ? basename(dirname(resolve(file))) || stem : stem
}

/** A name as part of a file's name. */
export function fileNameOf(name: string): string {
  return name.replace(/[^\p{L}\p{N}.+-]+/gu, '-').replace(/^[-.]+|-+$/g, '') || 'cohort'
}

/** @throws InputError for two cohorts whose files would have one name */
export function requireFileNames(files: readonly NamedFile[]): void {
  const names = files.map((file) => fileNameOf(nameOf(file)).toLowerCase())
  const twice = names.findIndex((name, n) => names.indexOf(name) !== n)
  if (twice < 0) return
  throw new InputError(
    `${files[names.indexOf(names[twice]!)]!.file} and ${files[twice]!.file} would both be called "${nameOf(files[twice]!)}"; ` +
      'name them apart as name=file',
  )
}

/** Tables of predictions; the names of their classes from --classes, from a JSON file beside each, or from their labels. */
export async function readPredictionFiles(options: EvaluateCommandOptions): Promise<Inputs> {
  const sets: NamedPredictions[] = []
  for (const given of options.predictions) {
    const text = decodeTable(await readFileChecked(given.file), given.file)
    const classes = options.classes ?? (await classesBeside(given.file))
    sets.push({ name: nameOf(given), predictions: parsePredictions(text, { classes, name: given.file }) })
  }
  const [first, ...others] = sets
  const odd = others.find(({ predictions }) => predictions.classes.join('\t') !== first!.predictions.classes.join('\t'))
  if (odd) {
    const lists = [first!, odd].map(({ name, predictions }) => `${name} (${predictions.classes.join(', ')})`)
    throw new InputError(`predictions of different classes: ${lists.join(' and ')}; evaluate them apart`)
  }
  const about = { predictions: options.predictions.map(({ file }) => file) }
  return { sets, failed: false, about, classOf: mappedLabels(options.label, first!.predictions.classes) }
}

async function classesBeside(file: string): Promise<string[] | undefined> {
  const path = file.replace(/\.tsv$/i, '.json')
  if (path === file) return undefined
  const bytes = await readFileChecked(path).catch(() => undefined)
  if (!bytes) return undefined
  try {
    return classesDescribed(JSON.parse(new TextDecoder().decode(bytes)))
  } catch (error) {
    throw new InputError(`${path} is not JSON: ${(error as Error).message}`)
  }
}

/**
 * What the network says of every scan of the cohorts. All tables and scans are checked before the GPU is opened.
 * @throws InputError for a network, table or scan that will not do, or labels and contrasts that do not fit the network
 */
export async function predictCohorts(
  path: string,
  files: readonly NamedFile[],
  options: EvaluateCommandOptions,
  reporter: Reporter,
): Promise<Inputs> {
  const loaded = await openNetwork(path, options.recipe, await importOptions(options))
  const { classes } = loaded.network.description.recipe
  const classOf = mappedLabels(options.label, classes)
  const cohorts: (LabelledCohort & { name: string })[] = []
  for (const given of files) {
    cohorts.push({ name: nameOf(given), ...(await labelledCohort(given.file, loaded.network, options)) })
  }
  const empty = cohorts.map(({ name, cohort }) => ({
    name,
    predictions: {
      classes,
      rows: cohort.rows.map((row) => ({ ...rowOf(row), predictedLabel: '', probabilities: [] })),
    },
  }))
  checkContrasts(empty, options.contrast ?? [], classOf)
  for (const note of [...loaded.notes, ...cohorts.flatMap(({ notes }) => notes)]) reporter.note(note)
  return withSession(async (session) => {
    const predictorOn = onEach((gpu) => makePredictor(gpu, loaded.network, options))
    const { memory } = await session.run(predictorOn)
    reporter.note(`${describeMemory(memory)} on ${session.gpu.name}`)
    const sets: NamedPredictions[] = []
    let failed = false
    for (const { name, cohort, covariates } of cohorts) {
      const bar = reporter.progress(name)
      const scans = cohort.rows.map(({ scan }) => scan!)
      const outcomes = await forEachScan(scans, reporter, async (scan, file, index) => {
        const prediction = await withHint(loaded, scan, () =>
          session.run(async (gpu) => (await predictorOn(gpu)).predict(scan, covariates(index))),
        )
        tellAbout(file, prediction, reporter)
        bar.update(index + 1, scans.length)
        // In float64, where a probability reaches 1 much later than in the network's float32.
        return predictionRow(classes, { ...rowOf(cohort.rows[index]!), probabilities: softmaxOf(prediction.logits) })
      })
      bar.clear()
      failed ||= outcomes.some((outcome) => 'error' in outcome)
      const rows = outcomes.flatMap((outcome) => ('result' in outcome ? [outcome.result] : []))
      sets.push({ name, predictions: { classes, rows } })
    }
    const about = {
      network: { file: path, name: loaded.network.description.name },
      tables: files.map(({ file }) => file),
      precision: options.precision,
      ...describeGpu(session.gpu),
    }
    return { sets, failed, about, classOf }
  }, reporter)
}

type LabelledCohort = Awaited<ReturnType<typeof cohortForNetwork>>

/** @throws InputError for a table without labels, or with problems */
async function labelledCohort(
  file: string,
  network: Network,
  options: EvaluateCommandOptions,
): Promise<LabelledCohort> {
  const found = await cohortForNetwork(file, network, options)
  if (found.cohort.labelColumn !== undefined) return found
  const columns = found.cohort.columns.join(', ')
  throw new InputError(`${file} has no column of labels (it has ${columns}); name it with --label-column`)
}

function rowOf({ participant, session, givenLabel }: Cohort['rows'][number]) {
  return { participant, session, trueLabel: givenLabel }
}

/**
 * The user's mapping of labels to classes; numbers are places among the network's classes.
 * @throws InputError for a class that the network does not have
 */
function mappedLabels(text: string | undefined, classes: readonly string[]): ReadonlyMap<string, string> | undefined {
  if (text === undefined) return undefined
  const mapping = parseLabelMapping(text)
  const places = text.split(',').every((part) => /=\s*\d+\s*$/.test(part))
  return new Map(
    [...mapping.classOf].map(([label, target]) => {
      const name = places ? classes[mapping.classes.indexOf(target)] : target
      if (name !== undefined && classes.includes(name)) return [label, name]
      throw new InputError(
        `--label ${text}: ${label} is mapped to no class of the network; its classes: ${classes.join(', ')}`,
      )
    }),
  )
}

/** The labels that scans have, of all cohorts. */
export function labelsOf(sets: readonly NamedPredictions[]): ReadonlySet<string> {
  return new Set(sets.flatMap(({ predictions }) => predictions.rows.flatMap(({ trueLabel }) => trueLabel ?? [])))
}

/** @throws InputError for a contrast that does not fit the classes, a side without a scan in any cohort, or nothing to evaluate */
export function checkContrasts(
  sets: readonly NamedPredictions[],
  contrasts: readonly Contrast[],
  classOf: ReadonlyMap<string, string> | undefined,
): void {
  const labels = labelsOf(sets)
  const { classes } = sets[0]!.predictions
  if (contrasts.length === 0 && ![...labels].some((label) => classes.includes(classOf?.get(label) ?? label))) {
    throw new InputError(
      `no scan is labelled ${classes.join(' or ')}; labels there are: ${[...labels].join(', ') || 'none'}; ` +
        `map them with --label LABEL=${classes.at(-1)},..., or name a --contrast`,
    )
  }
  for (const contrast of contrasts) {
    contrastSamples({ classes, rows: [] }, contrast, classOf)
    const absent = [...contrast.positive, ...contrast.negative].find((label) => !labels.has(label))
    if (absent === undefined) continue
    throw new InputError(
      `--contrast: no scan is labelled ${absent}; labels there are: ${[...labels].join(', ') || 'none'}`,
    )
  }
}
