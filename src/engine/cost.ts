/** Where a program's time goes, dispatch by dispatch, and how far from the device's ceilings each is (the roofline). */
import type { Program } from './program.ts'
import { formatShape } from './tensor.ts'

/** The two ceilings that a dispatch can reach: see measureCeilings(). */
export interface Roofline {
  /** GB/s. */
  readonly bandwidth: number
  /** GFLOP/s. */
  readonly rate: number
}

/** What is known of any amount of work: one dispatch or all of them. */
export interface Cost {
  /** A multiply-add counts as two. Absent where a kernel does not say; pieces fused onto a kernel are not counted. */
  readonly flops: number | undefined
  /** Every operand once, as if no value were read twice and everything bound were used. */
  readonly bytes: number
  /** Measured; absent where the device has no timestamps. */
  readonly milliseconds: number | undefined
  /** Arithmetic intensity, flops / bytes. */
  readonly intensity: number | undefined
  /** Milliseconds at the ceilings: the longer of moving the bytes and doing the flops. Absent without ceilings. */
  readonly roofline: number | undefined
  /** roofline / milliseconds, the share of the ceiling that was reached. More than 1 where operands stay in a cache. */
  readonly share: number | undefined
}

/** One dispatch. */
export interface CostRow extends Cost {
  readonly label: string
  readonly kernel: string
  /** The operations it computes: one, and those fused onto it. */
  readonly nodes: readonly string[]
  /** Of what it leaves in memory, e.g. 1x8x61x73x61; empty for an operation that only changes leaves. */
  readonly shape: string
}

export interface CostOptions {
  /** Runs whose median is taken. Default 3. Effects of the program happen in each. */
  readonly repetitions?: number
}

/**
 * The cost of each dispatch of one run, in order.
 * @param ceilings the device's; without them there is no roofline
 * @throws GpuError when the GPU fails
 */
export async function costTable(
  program: Program,
  ceilings?: Roofline,
  { repetitions = 3 }: CostOptions = {},
): Promise<CostRow[]> {
  const samples: number[][] = program.launches.map(() => [])
  for (let k = 0; k < repetitions; k++) {
    for (const [row, { milliseconds }] of (await program.profile()).entries()) samples[row]!.push(milliseconds)
  }
  return program.launches.map(({ label, kernel, nodes, dispatch, bytes }, k): CostRow => {
    const names = nodes.map(({ operation }) => operation.name)
    const shape = nodes.at(-1)!.outputs[0]?.shape
    const about = { label, kernel, nodes: names, shape: shape ? formatShape(shape) : '' }
    const { flops } = dispatch
    const roofline = ceilings && rooflineTime({ flops, bytes }, ceilings)
    return { ...about, ...cost(flops, bytes, samples[k]!.length > 0 ? median(samples[k]!) : undefined, roofline) }
  })
}

/** All rows together. The roofline is the sum of theirs, because one dispatch waits for the one before. */
export function totalCost(rows: readonly CostRow[]): Cost {
  const add = (key: 'flops' | 'milliseconds' | 'roofline') => {
    const known = rows.map((row) => row[key]).filter((value) => value !== undefined)
    return known.length > 0 ? known.reduce((a, b) => a + b, 0) : undefined
  }
  const bytes = rows.reduce((sum, row) => sum + row.bytes, 0)
  return cost(add('flops'), bytes, add('milliseconds'), add('roofline'))
}

/**
 * What a program would take on another device: each dispatch at that device's ceilings.
 * @param rows of costTable(), wherever they were measured: only flops and bytes are used
 * @param efficiency share of its ceiling that a dispatch reaches there. Default 1, the least time possible.
 * @returns milliseconds, of each dispatch and in all
 */
export function predict(
  rows: readonly Pick<Cost, 'flops' | 'bytes'>[],
  device: Roofline,
  efficiency = 1,
): { readonly milliseconds: number; readonly rows: readonly number[] } {
  const times = rows.map((row) => rooflineTime(row, device) / efficiency)
  return { milliseconds: times.reduce((a, b) => a + b, 0), rows: times }
}

/** GB/s is 1e6 bytes a millisecond, GFLOP/s as many operations. */
function rooflineTime({ flops = 0, bytes }: Pick<Cost, 'flops' | 'bytes'>, { bandwidth, rate }: Roofline): number {
  return Math.max(bytes / bandwidth, flops / rate) / 1e6
}

function cost(
  flops: number | undefined,
  bytes: number,
  milliseconds: number | undefined,
  roofline: number | undefined,
): Cost {
  const intensity = flops !== undefined && bytes > 0 ? flops / bytes : undefined
  const share = roofline !== undefined && milliseconds ? roofline / milliseconds : undefined
  return { flops, bytes, milliseconds, intensity, roofline, share }
}

/** The middle of a list, of an even number the mean of the two in the middle. */
export function median(list: readonly number[]): number {
  const sorted = [...list].sort((a, b) => a - b)
  const half = sorted.length >> 1
  return sorted.length % 2 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2
}
