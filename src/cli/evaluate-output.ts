/** What an evaluation shows: tables, pictures, files. */
import { join } from 'node:path'
import { rocChart } from '../io/chart/chart-line.ts'
import { svgToPng } from '../io/chart/chart-png.node.ts'
import { formatTsv } from '../io/tsv.ts'
import type { CohortEvaluation } from '../model/evaluation/evaluation.ts'
import {
  contrastEstimates,
  evaluationColumns,
  evaluationRows,
  formatEstimate,
  metricTitles,
} from '../model/evaluation/evaluation-table.ts'
import { describePredictions, formatPredictions } from '../model/evaluation/predictions.ts'
import { fileNameOf, type NamedPredictions } from './evaluate-inputs.ts'
import { formatJson } from './json.ts'

/** An evaluated cohort. */
export interface NamedEvaluation {
  readonly name: string
  readonly evaluation: CohortEvaluation
}

/** The n-th contrast: a row for each metric, a column for each cohort. */
export function contrastTable(evaluations: readonly NamedEvaluation[], n: number): string[][] {
  const contrasts = evaluations.map(({ evaluation }) => evaluation.contrasts[n]!)
  const columns = contrasts.map((contrast) => contrastEstimates(contrast))
  const count = (side: 'positives' | 'negatives') => contrasts.map((contrast) => String(contrast[side].scans))
  return [
    ['', ...evaluations.map(({ name }) => name)],
    [`scans ${contrasts[0]!.positive.join('+')}`, ...count('positives')],
    [`scans ${contrasts[0]!.negative.join('+')}`, ...count('negatives')],
    ...columns[0]!.map(([metric], row) => [
      metricTitles[metric],
      ...columns.map((estimates) => formatEstimate(estimates[row]![1])),
    ]),
  ]
}

/** The ROC curves of the n-th contrast, a curve for each cohort that has both sides; undefined where none has. */
export function rocPicture(evaluations: readonly NamedEvaluation[], n: number): string | undefined {
  const curves = evaluations.flatMap(({ name, evaluation }) => {
    const { roc, auc } = evaluation.contrasts[n]!
    return roc ? [{ name: `${name}: AUC ${formatEstimate(auc).replace(/-(?=\d)/, '–')}`, points: roc }] : []
  })
  return curves.length > 0 ? rocChart({ title: evaluations[0]!.evaluation.contrasts[n]!.name, curves }) : undefined
}

/** All files of an evaluation. @param made the predictions were made here, so that they are worth writing */
export async function evaluationFiles(
  folder: string,
  sets: readonly NamedPredictions[],
  evaluations: readonly NamedEvaluation[],
  document: unknown,
  made: boolean,
): Promise<{ path: string; bytes: Uint8Array | string }[]> {
  const files: { path: string; bytes: Uint8Array | string }[] = []
  const add = (name: string, bytes: Uint8Array | string) => files.push({ path: join(folder, name), bytes })
  for (const { name, predictions } of made ? sets : []) {
    add(`predictions_${fileNameOf(name)}.tsv`, formatPredictions(predictions))
    add(`predictions_${fileNameOf(name)}.json`, formatJson(describePredictions(predictions)))
  }
  for (const [n, { name }] of (evaluations[0]?.evaluation.contrasts ?? []).entries()) {
    const svg = rocPicture(evaluations, n)
    if (svg === undefined) continue
    add(`roc_${fileNameOf(name)}.svg`, svg)
    add(`roc_${fileNameOf(name)}.png`, await svgToPng(svg))
  }
  const rows = evaluations.flatMap(({ name, evaluation }) => evaluationRows(name, evaluation))
  add('metrics.tsv', formatTsv(evaluationColumns, rows))
  add('metrics.json', formatJson(document))
  return files
}
