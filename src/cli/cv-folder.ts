/** The folder of a cross-validation: a folder for each fold and run, whatever is in it whole at any moment. */
import { appendFile, mkdir, readdir, readFile, stat, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { lineChart } from '../io/chart/chart-line.ts'
import { svgToPng } from '../io/chart/chart-png.node.ts'
import { svgDocument } from '../io/chart/chart-svg.ts'
import { InputError } from '../io/errors.ts'
import { readFileChecked, writeFileAtomic } from '../io/files.node.ts'
import { formatTsv } from '../io/tsv.ts'
import {
  type Books,
  type NamedPredictions,
  type Part,
  type PartResult,
  VALIDATION,
} from '../model/crossval/crossval.ts'
import { type EvaluateOptions, evaluatePredictions } from '../model/evaluation/evaluation.ts'
import { evaluationColumns, evaluationRows } from '../model/evaluation/evaluation-table.ts'
import { formatPredictions, parsePredictions } from '../model/evaluation/predictions.ts'
import { saveNetwork } from '../model/formats/format.ts'
import type { EpochReport } from '../model/training/train.ts'
import { checkpointFile } from '../model/training/train-files.node.ts'
import { fileNameOf } from './evaluate-inputs.ts'
import { formatJson } from './json.ts'

const STUDY = 'study.json'
const CHECKPOINT = 'checkpoint.safetensors'
/** Written last: a part that has it is whole. */
const DONE = 'metrics.json'

/** What a study is: another one may not go on in its folder. */
export type Settings = Readonly<Record<string, unknown>>

/**
 * Makes the folder of a new study, or finds that of one that goes on.
 * @param about what else to keep with the settings, for the record
 * @returns what the study was started with, as `about` was then
 * @throws InputError for a folder that holds a study and none is to go on, or another one than that
 */
export async function openStudyFolder(
  folder: string,
  settings: Settings,
  about: Settings,
  resume: boolean,
): Promise<Settings> {
  const file = join(folder, STUDY)
  const known = await readFile(file, 'utf8').catch(() => undefined)
  if (known === undefined) {
    if (resume) throw new InputError(`${folder} holds no cross-validation to go on with; leave --resume out`)
    await writeFileAtomic(file, formatJson({ settings, ...about }))
    return about
  }
  if (!resume) {
    throw new InputError(`${folder} holds a cross-validation; go on with --resume, or choose another --out`)
  }
  const { settings: before, ...started } = parseStudy(known, file)
  const changed = [...new Set([...Object.keys(before), ...Object.keys(settings)])].filter(
    (key) => canonical(before[key]) !== canonical(settings[key]),
  )
  if (changed.length > 0) {
    const named = changed.slice(0, 3).map((key) => `${key} was ${short(before[key])} and is ${short(settings[key])}`)
    const more = changed.length > named.length ? `; and ${changed.length - named.length} more` : ''
    throw new InputError(
      `${folder} holds another cross-validation: ${named.join('; ')}${more}; give the same cohorts and options, or another --out`,
    )
  }
  return started
}

function parseStudy(text: string, file: string): { settings: Settings } & Settings {
  try {
    const { settings, ...about } = JSON.parse(text)
    return { settings: settings ?? {}, ...about }
  } catch (error) {
    throw new InputError(`${file} is damaged: ${(error as Error).message}; remove the folder and start anew`)
  }
}

/** As it is after a round through the file. */
const canonical = (value: unknown) => JSON.stringify(value) ?? 'undefined'
const short = (value: unknown) => {
  const text = JSON.stringify(value) ?? 'not given'
  return text.length > 60 ? `${text.slice(0, 57)}...` : text
}

export function partFolder(folder: string, { fold, run }: Part): string {
  return join(folder, `fold-${fold}`, `run-${run}`)
}

/** Name of the table of a set's predictions. */
export function predictionsFile(set: string): string {
  return set === VALIDATION ? 'predictions.tsv' : `predictions_${fileNameOf(set)}.tsv`
}

/** Books in a folder. @param evaluation how the metrics of each part are computed */
export function folderBooks(folder: string, evaluation: EvaluateOptions, seed: number): Books {
  return {
    async isDone(part) {
      const own = partFolder(folder, part)
      await mkdir(own, { recursive: true })
      await removeLeftovers(own)
      const done = await exists(join(own, DONE))
      if (done) await unlink(join(own, CHECKPOINT)).catch(() => undefined)
      return done
    },
    checkpoint: (part) => checkpointFile(join(partFolder(folder, part), CHECKPOINT)),
    async finish(result) {
      const own = partFolder(folder, result)
      for (const { name, bytes } of await partFiles(result, evaluation, seed))
        await writeFileAtomic(join(own, name), bytes)
      await unlink(join(own, CHECKPOINT)).catch(() => undefined)
      await logTimes(folder, result)
    },
  }
}

/** Takes away what a killed process has left half written. */
async function removeLeftovers(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (/^\.[0-9a-f]{18}\.tmp$/.test(name)) await unlink(join(folder, name))
  }
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}

/** The files of a part, the one that says that it is done last. They hold nothing that depends on the clock. */
async function partFiles(result: PartResult, evaluation: EvaluateOptions, seed: number) {
  const { fold, run, network, history, best, predictions } = result
  const evaluations = predictions.map(({ name, predictions: own }) => {
    return { name, evaluation: evaluatePredictions(own, evaluation) }
  })
  const document = {
    fold,
    run,
    seed: seed + run,
    epochs: history.length,
    best: withoutTimes(best),
    cohorts: evaluations.map(({ name, evaluation: own }) => ({ name, ...own })),
  }
  const metrics = evaluations.flatMap(({ name, evaluation: own }) => evaluationRows(name, own))
  return [
    { name: 'network.safetensors', bytes: saveNetwork(network) },
    ...predictions.map(({ name, predictions: own }) => ({
      name: predictionsFile(name),
      bytes: formatPredictions(own),
    })),
    { name: 'metrics.tsv', bytes: formatTsv(evaluationColumns, metrics) },
    { name: 'training.tsv', bytes: trainingTable(history, best) },
    { name: 'curves.png', bytes: await svgToPng(trainingCurves(history, best), 2) },
    { name: DONE, bytes: formatJson(document) },
  ]
}

function withoutTimes({ seconds: _, waited: __, scansPerSecond: ___, ...rest }: EpochReport) {
  return rest
}

export function trainingTable(history: readonly EpochReport[], best: EpochReport): string {
  const columns = ['epoch', 'loss', 'validation_loss', 'balanced_accuracy', 'auc', 'learning_rate', 'chosen'] as const
  return formatTsv(
    columns,
    history.map((entry) => ({
      epoch: entry.epoch,
      loss: entry.loss,
      validation_loss: entry.validationLoss,
      balanced_accuracy: entry.balancedAccuracy,
      auc: entry.auc,
      learning_rate: entry.learningRate,
      chosen: entry.epoch === best.epoch ? 1 : 0,
    })),
  )
}

/** Losses beside what the validation scans say; SVG. */
export function trainingCurves(history: readonly EpochReport[], best: EpochReport): string {
  const marker = { x: best.epoch, text: `epoch ${best.epoch} chosen` }
  const series = (name: string, value: (entry: EpochReport) => number | undefined) => {
    const points = history.map((entry) => [entry.epoch, value(entry) ?? Number.NaN] as const)
    return points.some(([, y]) => Number.isFinite(y)) ? [{ name, points }] : []
  }
  const size = { width: 460, height: 320 }
  const x = { label: 'epoch', domain: [1, Math.max(2, history.length)] as const }
  const judged = [
    ...series('AUC', ({ auc }) => auc),
    ...series('balanced accuracy', ({ balancedAccuracy }) => balancedAccuracy),
  ]
  const charts = [
    lineChart({
      ...size,
      title: 'Loss',
      x,
      y: { label: 'cross-entropy' },
      marker,
      series: [...series('training', ({ loss }) => loss), ...series('validation', (entry) => entry.validationLoss)],
    }),
    ...(judged.length > 0
      ? [
          lineChart({
            ...size,
            title: 'Validation',
            x,
            y: { label: 'on the validation scans', domain: [0, 1] },
            marker,
            series: judged,
          }),
        ]
      : []),
  ]
  const placed = charts.map((chart, k) => chart.replace('<svg ', `<svg x="${k * size.width}" y="0" `))
  return svgDocument(size.width * charts.length, size.height, 'Training', placed)
}

/** Times are for the curious, beside the results: they differ from one time to the next. */
async function logTimes(folder: string, { fold, run, history }: PartResult): Promise<void> {
  const file = join(folder, 'times.tsv')
  const columns = ['fold', 'run', 'epochs', 'seconds', 'scans_per_second', 'waited']
  const mean = (key: 'scansPerSecond' | 'waited') => history.reduce((sum, own) => sum + own[key], 0) / history.length
  const row = [
    fold,
    run,
    history.length,
    history.at(-1)!.seconds.toFixed(1),
    mean('scansPerSecond').toFixed(2),
    mean('waited').toFixed(4),
  ]
  const head = (await exists(file)) ? '' : `${columns.join('\t')}\n`
  await appendFile(file, `${head}${row.join('\t')}\n`)
}

export interface StoredPart extends Part {
  readonly best: Omit<EpochReport, 'seconds' | 'waited' | 'scansPerSecond'>
  readonly epochs: number
  readonly predictions: readonly NamedPredictions[]
}

/** A finished part, as its files have it. @param sets names that may have been tested */
export async function readPart(
  folder: string,
  part: Part,
  sets: readonly string[],
  classes: readonly string[],
): Promise<StoredPart> {
  const own = partFolder(folder, part)
  const { best, epochs } = JSON.parse(new TextDecoder().decode(await readFileChecked(join(own, DONE))))
  const predictions: NamedPredictions[] = []
  for (const name of sets) {
    const file = join(own, predictionsFile(name))
    if (!(await exists(file))) continue
    const text = new TextDecoder().decode(await readFileChecked(file))
    predictions.push({ name, predictions: parsePredictions(text, { classes, name: file }) })
  }
  return { ...part, best, epochs, predictions }
}
