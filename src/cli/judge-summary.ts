/** Records of a judge as numbers for each method: means, standard errors, ranks. */
import { type MeasureName, measureNames, measures } from '../explain/judge/measures.ts'
import { FAILS_ABOVE } from '../explain/judge/randomisation.ts'
import type { JudgeRecord } from './judge-records.ts'

export interface Cell {
  readonly n: number
  readonly mean: number
  /** Standard error of the mean; undefined of a single scan. */
  readonly error: number | undefined
  /** 1 is the best of the methods; controls have none. */
  readonly rank: number | undefined
}

export interface MethodSummary {
  readonly method: string
  readonly control: boolean
  /** Mean of the ranks over measures. */
  readonly rank: number | undefined
  readonly cells: { readonly [M in MeasureName]?: Cell }
}

/**
 * @param methods all that were asked for, by name. @param controls those of them that explain nothing
 * @returns the best first (by mean rank), controls last
 */
export function summarise(
  records: readonly JudgeRecord[],
  methods: readonly string[],
  controls: ReadonlySet<string>,
  wanted: readonly MeasureName[],
): MethodSummary[] {
  const plain = methods.map((method) => {
    const own = records.filter((record) => record.method === method)
    const cells = wanted.flatMap((name) => {
      const values = own.flatMap(({ values: { [name]: value } }) => (typeof value === 'number' ? [value] : []))
      return values.length > 0 ? [[name, describe(values)] as const] : []
    })
    return { method, control: controls.has(method), cells: new Map<MeasureName, Omit<Cell, 'rank'>>(cells) }
  })
  const rankOf = (name: MeasureName, method: string): number | undefined => {
    const rivals = plain.filter(({ control, cells }) => !control && cells.has(name))
    const own = rivals.find((one) => one.method === method)?.cells.get(name)
    if (!own) return undefined
    const sign = measures[name].better === 'higher' ? 1 : -1
    const better = rivals.filter(({ cells }) => sign * cells.get(name)!.mean > sign * own.mean).length
    const equal = rivals.filter(({ cells }) => cells.get(name)!.mean === own.mean).length
    return better + (equal + 1) / 2
  }
  const summaries = plain.map(({ method, control, cells }): MethodSummary => {
    const ranked = [...cells].map(([name, cell]) => [name, { ...cell, rank: rankOf(name, method) }] as const)
    const ranks = ranked.flatMap(([, { rank }]) => (rank === undefined ? [] : [rank]))
    return { method, control, rank: ranks.length > 0 ? mean(ranks) : undefined, cells: Object.fromEntries(ranked) }
  })
  const last = Number.POSITIVE_INFINITY
  return summaries.sort((a, b) => Number(a.control) - Number(b.control) || (a.rank ?? last) - (b.rank ?? last))
}

const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length

function describe(values: readonly number[]): Omit<Cell, 'rank'> {
  const n = values.length
  const centre = mean(values)
  const squares = values.reduce((sum, v) => sum + (v - centre) ** 2, 0)
  return { n, mean: centre, error: n > 1 ? Math.sqrt(squares / (n - 1) / n) : undefined }
}

/** Which methods fail the check by resetting the output layer, in a sentence; undefined where it was not made. */
export function failingReset(summaries: readonly MethodSummary[]): string | undefined {
  const checked = summaries.filter(({ cells }) => cells.outputReset)
  if (checked.length === 0) return undefined
  const failing = checked.filter(({ cells }) => cells.outputReset!.mean > FAILS_ABOVE).map(({ method }) => method)
  const count = `(${failing.length} of ${checked.length})`
  const what = 'more than half of their map with the output layer reset'
  if (failing.length === 0) return `no methods keep ${what} ${count}`
  return `${failing.join(', ')} keep ${what}, and so do not explain the answer ${count}`
}

/** Measures that any method has a number for, in the usual order. */
export function measuredOf(summaries: readonly MethodSummary[]): MeasureName[] {
  return measureNames.filter((name) => summaries.some(({ cells }) => cells[name]))
}

/** Points of a curve, the mean over a method's scans; undefined where there are none. */
export function meanCurve(
  records: readonly JudgeRecord[],
  method: string,
  curve: 'deletion' | 'insertion' | 'randomisation' | 'signedRandomisation',
): (number | undefined)[] | undefined {
  const own = records.flatMap((record) =>
    record.method === method && record.curves[curve] ? [record.curves[curve]] : [],
  )
  if (own.length === 0) return undefined
  return Array.from({ length: own[0]!.length }, (_, k) => {
    const values = own.flatMap((points) => (typeof points[k] === 'number' ? [points[k]] : []))
    return values.length > 0 ? mean(values) : undefined
  })
}

/** A number in few characters. */
export function shortNumber(value: number): string {
  const size = Math.abs(value)
  if (size !== 0 && (size < 0.001 || size >= 10000)) return value.toExponential(1)
  return value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3)
}

/** Measures down, methods across, as many tables as `width` characters need; the best of each measure has a star. */
export function summaryTables(summaries: readonly MethodSummary[], width: number): string[][][] {
  const names = measuredOf(summaries)
  const first = [
    '',
    ...names.map((name) => `${measures[name].title} (${measures[name].better} is better)`),
    'mean rank',
  ]
  const columns = summaries.map(({ method, cells, rank }) => [
    method,
    ...names.map((name) => {
      const cell = cells[name]
      if (!cell) return '-'
      const error = cell.error === undefined ? '' : ` (${shortNumber(cell.error)})`
      return `${shortNumber(cell.mean)}${error}${cell.rank === 1 ? ' *' : '  '}`
    }),
    rank === undefined ? '-' : `${rank.toFixed(1)}  `,
  ])
  const widthOf = (column: readonly string[]) => Math.max(...column.map((text) => text.length)) + 2
  const tables: string[][][] = []
  let room = 0
  for (const column of columns) {
    room -= widthOf(column)
    if (room < 0 || tables.length === 0) {
      tables.push([first])
      room = width - widthOf(first) - widthOf(column)
    }
    tables.at(-1)!.push(column)
  }
  return tables.map((table) => first.map((_, row) => table.map((column) => column[row]!)))
}
