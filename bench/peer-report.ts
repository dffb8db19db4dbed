/** What a run of peers found, for people: one table, medians, and what was not measured. */

import { median } from '../src/engine/cost.ts'
import { layers } from './layers.ts'
import type { Timing } from './peer-measure.ts'
import type { Place } from './peer-place.ts'
import { PASSES, type Work } from './peer-work.ts'
import { digits, table } from './table.ts'

export interface Comparison {
  readonly place: string
  /** Library and configuration. */
  readonly peer: string
  readonly work: Work
  readonly flops: number | undefined
  /** Of the results, relative. */
  readonly difference: number
  readonly ours: Timing
  readonly theirs: Timing
  /** Their time over ours. */
  readonly ratio: number
  readonly cpuRatio: number
}

/** A library that was not timed, at all or for one piece of work. */
export interface Missing {
  readonly peer: string
  readonly work?: string
  readonly reason: string
  /** Its result is another than ours, or ours did not come about: worse than having none. */
  readonly failed?: boolean
}

export interface Median {
  readonly peer: string
  readonly pass: string
  /** How many shapes it is the median of. */
  readonly shapes: number
  readonly ratio: number
  readonly cpuRatio: number
}

const passOf = (work: Work) => (work.kind === 'conv' ? work.pass : work.kind)
/** `pytorch cuda, eager TF32` -> `pytorch cuda` */
const library = (peer: string) => peer.split(',')[0]!

/** Median ratios of each library and pass over its shapes; of a library with several configurations also those of its best. */
export function medians(rows: readonly Comparison[]): Median[] {
  const peers = [...new Set(rows.map(({ peer }) => peer))]
  const several = [...new Set(peers.filter((peer) => peer !== library(peer)).map(library))]
  const best = several.flatMap((name) => bestOf(rows.filter(({ peer }) => library(peer) === name)))
  const all = [...rows, ...best.map((row) => ({ ...row, peer: `${library(row.peer)}, the best of each` }))]
  const names = [...new Set(all.map(({ peer }) => peer))]
  return names.flatMap((peer) =>
    [...PASSES, 'network', 'mask'].flatMap((pass) => {
      const of = all.filter((row) => row.peer === peer && passOf(row.work) === pass)
      if (of.length === 0) return []
      const [ratio, cpuRatio] = [median(of.map((row) => row.ratio)), median(of.map((row) => row.cpuRatio))]
      return [{ peer, pass, shapes: of.length, ratio, cpuRatio }]
    }),
  )
}

/** The fastest row of each piece of work. */
function bestOf(rows: readonly Comparison[]): Comparison[] {
  const works = new Map<Work, Comparison>()
  for (const row of rows) {
    const known = works.get(row.work)
    if (!known || row.theirs.milliseconds < known.theirs.milliseconds) works.set(row.work, row)
  }
  return [...works.values()]
}

export function report(
  places: readonly Place[],
  rows: readonly Comparison[],
  missing: readonly Missing[],
  repetitions: number,
): string {
  const where = places.map(({ name, adapter, versions }) => {
    const libraries = Object.entries(versions).map(([library, version]) => `${library} ${version}`)
    return `${name}, ${adapter}: ${libraries.join('; ') || 'nothing to compare with'}`
  })
  const compared =
    rows.length > 0 ? [`Medians of up to ${repetitions} samples that take turns.`, '', rowsTable(rows), ''] : []
  const summary = rows.length > 0 ? [mediansTable(medians(rows)), ''] : []
  return [...where, '', ...compared, ...summary, ...notMeasured(missing)].join('\n').trimEnd()
}

function rowsTable(rows: readonly Comparison[]): string {
  const header = [
    'work',
    'shape',
    'peer',
    'ours ms',
    'theirs ms',
    'ours GFLOP/s',
    'theirs GFLOP/s',
    'ratio',
    'CPU ratio',
    'error',
  ]
  const rate = (flops: number | undefined, { milliseconds }: Timing) =>
    digits(flops === undefined ? undefined : flops / milliseconds / 1e6)
  const cells = rows.map(({ work, peer, flops, difference, ours, theirs, ratio, cpuRatio }) => [
    passOf(work),
    shapeOf(work),
    peer,
    digits(ours.milliseconds),
    digits(theirs.milliseconds),
    rate(flops, ours),
    rate(flops, theirs),
    digits(ratio),
    digits(cpuRatio),
    difference.toExponential(0),
  ])
  return table(header, cells)
}

function shapeOf(work: Work): string {
  if (work.kind !== 'conv') return work.size.join('x')
  const { name } = work.layer
  return layers.some((layer) => layer.name === name) ? name : `${name} (cropped)`
}

function mediansTable(found: readonly Median[]): string {
  const cells = found.map(({ peer, pass, shapes, ratio, cpuRatio }) => [
    pass,
    peer,
    `${shapes}`,
    digits(ratio),
    digits(cpuRatio),
  ])
  return table(['work', 'peer', 'shapes', 'median ratio', 'CPU ratio'], cells)
}

/** One line a library and reason. */
function notMeasured(missing: readonly Missing[]): string[] {
  const works = new Map<string, string[]>()
  for (const { peer, work, reason } of missing) {
    const line = `${peer}: not measured: ${reason}`
    works.set(line, [...(works.get(line) ?? []), ...(work ? [work] : [])])
  }
  return [...works].map(([line, of]) => (of.length > 0 ? `${line} (${of.join('; ')})` : line))
}
