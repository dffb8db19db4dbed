/** The cost table in words. */
import type { Ceilings } from '../engine/ceilings.ts'
import { type Cost, type CostRow, totalCost } from '../engine/cost.ts'
import { digits, formatTable } from './terminal.ts'

/** Rows in program order, or the slowest first (where there are no times, those that should take longest). */
export type Order = 'order' | 'time'

/** One line a dispatch, and a line of totals. */
export function costLines(rows: readonly CostRow[], order: Order): string[] {
  const total = totalCost(rows)
  const slow = ({ milliseconds, roofline, bytes }: Cost) => milliseconds ?? roofline ?? bytes
  const numbered = rows.map((row, k) => ({ row, number: String(k + 1) }))
  if (order === 'time') numbered.sort((a, b) => slow(b.row) - slow(a.row))
  const header = [
    '#',
    'kernel',
    'computes',
    'ms',
    '%',
    'MFLOP',
    'MB',
    'flop/B',
    'GFLOP/s',
    'GB/s',
    'least ms',
    'of ceiling',
  ]
  const cells = numbered.map(({ row, number }) => {
    const computes = [row.nodes.join(' + '), row.shape].filter(Boolean).join(' ')
    return [number, row.kernel, computes, ...numbers(row, total)]
  })
  const table = [header, ...cells, ['', 'total', `${rows.length} dispatches`, ...numbers(total, total)]]
  return formatTable(table, [0, 3, 4, 5, 6, 7, 8, 9, 10, 11])
}

function numbers({ milliseconds, flops, bytes, intensity, roofline, share }: Cost, total: Cost): string[] {
  const percent = (part: number | undefined) => (part === undefined ? '-' : `${(100 * part).toFixed(0)} %`)
  const over = (amount: number | undefined) =>
    amount !== undefined && milliseconds ? amount / milliseconds / 1e6 : undefined
  return [
    digits(milliseconds),
    milliseconds !== undefined && total.milliseconds ? ((100 * milliseconds) / total.milliseconds).toFixed(1) : '-',
    digits(flops === undefined ? undefined : flops / 1e6),
    digits(bytes / 1e6),
    digits(intensity),
    digits(over(flops)),
    digits(over(bytes)),
    digits(roofline),
    percent(share),
  ]
}

/** Ceilings in one line. */
export function describeCeilings({ bandwidth, rate, halfRate }: Ceilings): string {
  const half = halfRate === undefined ? '' : `, ${digits(halfRate)} GFLOP/s in f16`
  return `copy ${digits(bandwidth)} GB/s, multiply-add ${digits(rate)} GFLOP/s${half}`
}
