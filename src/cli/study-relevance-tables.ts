/** The tables of a study of relevance: files for machines, lines for people. */
import type { Correlation } from '../explain/study/relevance-correlation.ts'
import type { CorrelationRow } from '../explain/study/relevance-study.ts'
import { formatTsv } from '../io/tsv.ts'
import { evaluationColumns, evaluationRows } from '../model/evaluation/evaluation-table.ts'
import type { RelevanceResults } from './study-relevance-results.ts'
import { formatTable } from './terminal.ts'

/** A row a scan, method and region. */
export function regionsTable({ methods, regions, target }: RelevanceResults): string {
  const columns = [
    ...['participant_id', 'session_id', 'group', 'scan', 'method', 'target', 'probability', 'region', 'voxels'],
    ...['volume_mm3', 'tissue_mm3', 'tissue_residual_mm3', 'positive', 'negative', 'sum', 'mean', 'density_per_mm3'],
    ...['peak', 'peak_x_mm', 'peak_y_mm', 'peak_z_mm', 'constant'],
  ]
  const rows = methods.flatMap(({ choice, subjects, study }) =>
    subjects.flatMap((subject, n) =>
      regions.map(({ name }, r) => {
        const { positive, negative, sum, mean, peak, ...own } = subject.regions[r]!
        return {
          participant_id: subject.participant,
          session_id: subject.session,
          group: subject.group,
          scan: subject.path,
          method: choice.name,
          target,
          probability: subject.probability,
          region: name,
          voxels: own.voxels,
          volume_mm3: own.mm3,
          tissue_mm3: own.volume,
          tissue_residual_mm3: study.residuals && 1000 * study.residuals[r]![n]!,
          ...{ positive, negative, sum, mean, peak },
          density_per_mm3: own.density,
          peak_x_mm: own.peakMm?.[0],
          peak_y_mm: own.peakMm?.[1],
          peak_z_mm: own.peakMm?.[2],
          constant: subject.constant,
        }
      }),
    ),
  )
  return formatTsv(columns, rows)
}

/** What relevance is compared with. */
export const againstName = ({ against }: CorrelationRow) => (against === 'volume' ? 'volume' : against.column)

/** A row a method, region, group, and what relevance is compared with. */
export function correlationsTable({ methods, regions, options }: RelevanceResults): string {
  const numbers = (kind: string, { r, interval, p }: Correlation) => {
    return { [kind]: r, [`${kind}_low`]: interval?.[0], [`${kind}_high`]: interval?.[1], [`${kind}_p`]: p }
  }
  const rows = methods.flatMap(({ choice, study }) =>
    study.correlations.map((row) => ({
      method: choice.name,
      region: regions[row.region]!.name,
      measure: options.measure,
      against: againstName(row),
      adjustment: row.adjustment,
      group: row.group ?? 'all',
      n: row.found.n,
      ...numbers('pearson', row.found.pearson),
      ...numbers('spearman', row.found.spearman),
    })),
  )
  const of = (kind: string) => [kind, `${kind}_low`, `${kind}_high`, `${kind}_p`]
  return formatTsv(
    ['method', 'region', 'measure', 'against', 'adjustment', 'group', 'n', ...of('pearson'), ...of('spearman')],
    rows,
  )
}

/** A row a method, region, adjustment and network: the study's own, and those with random weights. */
export function randomTable({ random, regions, options }: RelevanceResults): string {
  const rows = random.flatMap(({ choice, rows: compared }) =>
    compared.flatMap(({ region, adjustment, own, others }) =>
      [own, ...others].map((pearson, n) => ({
        method: choice.name,
        region: regions[region]!.name,
        measure: options.measure,
        against: 'volume',
        adjustment,
        network: n === 0 ? 'own' : `random-${n}`,
        pearson,
      })),
    ),
  )
  return formatTsv(['method', 'region', 'measure', 'against', 'adjustment', 'network', 'pearson'], rows)
}

/** The network's numbers, and the areas under the curve of regions. */
export function classificationTable({ methods, regions, evaluation, options }: RelevanceResults): string {
  const network = evaluationRows('', evaluation).map(({ cohort: _, ...row }) => ({ score: 'network', ...row }))
  const scores = methods.flatMap(({ choice, study, subjects }) =>
    study.scores
      .filter(({ score }) => score === 'relevance' || choice === methods[0]!.choice)
      .map(({ positive, negative, region, score, auc }) => {
        const { name } = regions[region]!
        const people = (label: string) => subjects.filter(({ group }) => group === label)
        const count = (label: string) => new Set(people(label).map(({ participant }) => participant)).size
        return {
          score: score === 'relevance' ? `${choice.name} ${options.measure} ${name}` : `${score} ${name}`,
          contrast: `${positive} vs ${negative}`,
          positive_scans: people(positive).length,
          negative_scans: people(negative).length,
          positive_subjects: count(positive),
          negative_subjects: count(negative),
          metric: 'auc' as const,
          value: auc.auc,
          low: auc.interval?.[0],
          high: auc.interval?.[1],
        }
      }),
  )
  const columns = evaluationColumns.filter((name) => name !== 'cohort')
  return formatTsv(['score', ...columns], [...network, ...scores])
}

/** -0.86 (-0.91 to -0.79). */
export function formatCorrelation({ r, interval }: Correlation): string {
  if (r === undefined) return '-'
  return `${minus(r)}${interval ? ` (${minus(interval[0])} to ${minus(interval[1])})` : ''}`
}

/** Never -0.00. */
const minus = (value: number) => value.toFixed(2).replace(/^-(?=0\.00$)/, '')

export function formatP(p: number | undefined): string {
  if (p === undefined) return '-'
  return p < 0.001 ? '< 0.001' : p.toFixed(3)
}

/** Correlations as people read them: a line each. */
export function correlationCells({ methods, regions }: RelevanceResults): string[][] {
  return methods.flatMap(({ choice, study }) =>
    study.correlations.map((row) => [
      choice.name,
      regions[row.region]!.name,
      row.adjustment === 'raw' ? againstName(row) : `volume, ${row.adjustment}`,
      row.group ?? 'all',
      String(row.found.n),
      formatCorrelation(row.found.pearson),
      formatP(row.found.pearson.p),
      formatCorrelation(row.found.spearman),
    ]),
  )
}

export const CORRELATION_HEAD = [
  'method',
  'region',
  'against',
  'group',
  'n',
  'Pearson r (95 %)',
  'p',
  'Spearman (95 %)',
]

export function correlationLines(results: RelevanceResults): string[] {
  return formatTable([CORRELATION_HEAD, ...correlationCells(results)], [4, 5, 6, 7])
}

export const RANDOM_HEAD = [
  'method',
  'region',
  'against',
  'r',
  'random weights: mean (sd)',
  'from, to',
  'as far from 0',
]

/** The own correlations beside those with random weights, as people read them. */
export function randomCells({ random, regions }: RelevanceResults): string[][] {
  const short = (value: number | undefined) => (value === undefined ? '-' : minus(value))
  return random.flatMap(({ choice, rows }) =>
    rows.map(({ region, adjustment, own, others, mean, sd, asFar }) => {
      const known = others.filter((r) => r !== undefined)
      return [
        choice.name,
        regions[region]!.name,
        adjustment === 'raw' ? 'volume' : `volume, ${adjustment}`,
        short(own),
        `${short(mean)} (${short(sd)})`,
        known.length > 0 ? `${minus(Math.min(...known))} to ${minus(Math.max(...known))}` : '-',
        `${asFar ?? '-'} of ${known.length}`,
      ]
    }),
  )
}

export function randomLines(results: RelevanceResults): string[] {
  const cells = randomCells(results)
  return cells.length > 0 ? ['', ...formatTable([RANDOM_HEAD, ...cells], [3, 4, 5, 6])] : []
}
