/**
 * What a montage shows: value windows and the slices worth looking at.
 */

import type { Volume } from './volume.ts'

/** Percentiles need no more values than this; a fixed stride keeps them the same from run to run. */
const SAMPLE = 200_000

/** The given percentiles (0..100) of the finite, nonzero values of f(value), from an even sample; undefined without any. */
export function percentiles(
  data: Float32Array,
  wanted: readonly number[],
  f: (value: number) => number = (value) => value,
): number[] | undefined {
  // Volumes are mostly empty around the head: count what is used first, then sample that evenly.
  let used = 0
  for (const value of data) if (Number.isFinite(value) && value !== 0) used++
  if (used === 0) return undefined
  const stride = Math.max(1, Math.ceil(used / SAMPLE))
  const sample = new Float32Array(Math.ceil(used / stride))
  let seen = 0
  for (const value of data) {
    if (!Number.isFinite(value) || value === 0) continue
    if (seen % stride === 0) sample[seen / stride] = f(value)
    seen++
  }
  sample.sort()
  return wanted.map((p) => sample[Math.round((p / 100) * (sample.length - 1))]!)
}

/** Sum of weight(value) over each slice, for the axes i, j and k. */
export function sliceMasses(
  volume: Volume,
  weight: (value: number) => number,
): [Float64Array, Float64Array, Float64Array] {
  const [nx, ny, nz] = volume.shape
  const x = new Float64Array(nx)
  const y = new Float64Array(ny)
  const z = new Float64Array(nz)
  let at = 0
  for (let k = 0; k < nz; k++) {
    for (let j = 0; j < ny; j++) {
      let line = 0
      for (let i = 0; i < nx; i++) {
        const mass = weight(volume.data[at++]!)
        x[i]! += mass
        line += mass
      }
      y[j]! += line
      z[k]! += line
    }
  }
  return [x, y, z]
}

/** First and last slice with more than `share` of the fullest slice's mass; the whole axis when there is no mass. */
export function massExtent(mass: Float64Array, share: number): [number, number] {
  const floor = mass.reduce((most, m) => Math.max(most, m), 0) * share
  if (!(floor > 0)) return [0, mass.length - 1]
  const full = [...mass.keys()].filter((n) => mass[n]! > floor)
  return [full[0]!, full.at(-1)!]
}

/** `count` slices spread evenly over the inside of an extent, in rising order, without repeats. */
export function evenSlices([first, last]: readonly [number, number], count: number): number[] {
  const span = last - first + 1
  const slices = Array.from({ length: count }, (_, n) => first + Math.floor(((n + 0.5) / count) * span))
  return [...new Set(slices)]
}

/**
 * The `count` slices with most mass that keep some distance from each other, in rising order: the fullest slice first,
 * then the fullest of those at least 1/(1.3 count) of the mass's extent away from all before. Where mass gives too few,
 * the distance is halved. Empty slices are never taken.
 */
export function peakSlices(mass: Float64Array, count: number): number[] {
  const [first, last] = massExtent(mass, 0.05)
  const order = [...mass.keys()].filter((n) => mass[n]! > 0).sort((a, b) => mass[b]! - mass[a]! || a - b)
  for (let gap = Math.max(1, Math.floor((last - first + 1) / (1.3 * count))); ; gap = gap >> 1) {
    const taken: number[] = []
    for (const slice of order) {
      if (taken.length < count && taken.every((other) => Math.abs(other - slice) >= gap)) taken.push(slice)
    }
    if (taken.length >= Math.min(count, order.length) || gap <= 1) return taken.sort((a, b) => a - b)
  }
}
