/** The folder of a cross-validation: a folder for each fold and run, whatever is in it whole at any moment. */
import { appendFile, mkdir, readdir, stat, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { lineChart } from '../io/chart/chart-line.ts'
import { svgToPng } from '../io/chart/chart-png.node.ts'
import { svgDocument } from '../io/chart/chart-svg.ts'
import { claimFolder, type Settings } from '../io/claimed-folder.node.ts'
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
import { historyTable } from '../model/training/train-history.ts'
import { fileNameOf } from './evaluate-inputs.ts'
import { formatJson } from './json.ts'

const STUDY = 'study.json'
const CHECKPOINT = 'checkpoint.safetensors'
/** Written last: a part that has it is whole. */
const DONE = 'metrics.json'

/**
 * Makes the folder of a new study, or finds that of one that goes on.
 * @param about what else to keep with the settings, for the record
 * @returns what the study was started with, as `about` was then
 * @throws InputError for a folder that holds a study and none is to go on, or another one than that
 */
export function openStudyFolder(
  folder: string,
  settings: Settings,
  about: Settings,
  resume: boolean,
): Promise<Settings> {
  return claimFolder(folder, { file: STUDY, kind: 'cross-validation', settings, about, resume })
}

/** Whether a study was begun in a folder. */
export const holdsStudy = (folder: string) => exists(join(folder, STUDY))

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
    { name: 'training.tsv', bytes: historyTable(history, best) },
    { name: 'curves.png', bytes: await svgToPng(trainingCurves(history, best), 2) },
    { name: DONE, bytes: formatJson(document) },
  ]
}

function withoutTimes({ seconds: _, waited: __, scansPerSecond: ___, ...rest }: EpochReport) {
  return rest
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
