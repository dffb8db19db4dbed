/** Noisy copies of scans: how much noise, and where it comes from. */
import { broadcastTo } from '../../engine/ops/broadcast.ts'
import { add } from '../../engine/ops/elementwise.ts'
import { input, sizeOf, type Tensor } from '../../engine/tensor.ts'
import { InputError } from '../../io/errors.ts'
import { numberWithin, oneOf } from '../../model/formats/read-json.ts'
import type { Settings } from '../method.ts'
import { noisyCopies } from './sample-ops.ts'

export interface NoiseSettings {
  noise: number
  unit: 'range' | 'absolute'
}

export function noiseSettings(noise: number): Settings<NoiseSettings> {
  return {
    noise: { default: noise, text: 'standard deviation of the noise, in `unit`', read: numberWithin(0) },
    unit: {
      default: 'range',
      text: 'unit of the noise: range (what lies between the smallest and the largest value of the scan) or absolute',
      read: oneOf('range', 'absolute'),
    },
  }
}

/** Standard deviation of the noise that a scan gets. */
export function deviationOf(scan: Float32Array, { noise, unit }: NoiseSettings): number {
  if (unit === 'absolute') return noise
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]
  for (const value of scan) {
    low = Math.min(low, value)
    high = Math.max(high, value)
  }
  return noise * (high - low)
}

/** Noise for every sample, [samples, C, D, H, W], added as it is. */
export type GivenNoise = Float32Array

type Values = readonly [Tensor, Float32Array | Uint32Array]

/**
 * Noisy copies of one scan, and what has to be written for them.
 * @param x [1, C, D, H, W]
 */
export function noisy(
  x: Tensor,
  rows: number,
  seed: number,
  settings: NoiseSettings,
  given?: GivenNoise,
): { copies: Tensor; begin(scan: Float32Array): Values[]; run(samples: readonly number[]): Values[] } {
  const shape = [rows, ...x.shape.slice(1)]
  if (given) {
    const size = sizeOf(x.shape)
    if (given.length % size !== 0) {
      throw new InputError(`noise of ${given.length} values is not that of whole scans of ${size} values`)
    }
    const noise = input(shape, 'noise')
    const rowsOf = (samples: readonly number[]) => {
      const values = new Float32Array(rows * size)
      samples.forEach((s, k) => {
        values.set(given.subarray(s * size, (s + 1) * size), k * size)
      })
      return values
    }
    return {
      copies: add(broadcastTo(x, shape), noise),
      begin: () => [],
      run: (samples) => [[noise, rowsOf(samples)]],
    }
  }
  const samples = input([rows], 'sample', 'u32')
  const deviation = input([1], 'deviation')
  const key = input([1], 'noise seed', 'u32')
  return {
    copies: noisyCopies(x, { samples, deviation, seed: key }),
    begin: (scan) => [
      [deviation, Float32Array.of(deviationOf(scan, settings))],
      [key, Uint32Array.of(seed)],
    ],
    run: (numbers) => [[samples, Uint32Array.from(numbers)]],
  }
}
