/** Augmentation from its definition, in float64, with the random numbers of PCG4D (Jarzynski and Olano 2020). */

/** Four numbers of 32 bits. */
export function pcg4d(key: readonly number[]): number[] {
  let [x, y, z, w] = key.map((k) => (Math.imul(k, 1664525) + 1013904223) >>> 0) as [number, number, number, number]
  const round = () => {
    x = (x + Math.imul(y, w)) >>> 0
    y = (y + Math.imul(z, x)) >>> 0
    z = (z + Math.imul(x, y)) >>> 0
    w = (w + Math.imul(y, z)) >>> 0
  }
  round()
  ;[x, y, z, w] = [x ^ (x >>> 16), y ^ (y >>> 16), z ^ (z >>> 16), w ^ (w >>> 16)].map((v) => v >>> 0) as typeof key &
    [number, number, number, number]
  round()
  return [x, y, z, w]
}

export interface AugmentCase {
  readonly flip: number | undefined
  readonly shift: readonly number[]
  readonly noise: number
  readonly smoothing: number
}

const unit = (bits: number) => (bits >>> 8) / 2 ** 24

/** What is drawn for a scan as a whole. */
export function drawsOf(c: AugmentCase, scan: number, [seed, step]: readonly [number, number]) {
  const draw = (counter: number) => pcg4d([counter >>> 0, scan, step, ~seed >>> 0])
  const own = draw(-1)
  return {
    flipped: c.flip !== undefined && own[3]! >= 2 ** 31,
    shift: c.shift.map((n, k) => Math.floor((Math.floor(own[k]! / 65536) * (2 * n + 1)) / 65536) - n),
    deviation: c.noise * unit(draw(-2)[0]!),
    sigma: c.smoothing * unit(draw(-3)[0]!),
    normal(value: number) {
      const [a, b] = draw(value) as [number, number]
      return Math.sqrt(-2 * Math.log(1 - unit(a))) * Math.cos(2 * Math.PI * (unit(b) - 0.5))
    },
  }
}

type Size = readonly [number, number, number]

/** One scan [C, D, H, W]. */
export function augmentScan(
  c: AugmentCase,
  x: ArrayLike<number>,
  channels: number,
  size: Size,
  scan: number,
  seed: readonly [number, number],
): Float64Array {
  const draws = drawsOf(c, scan, seed)
  const [D, H, W] = size
  let smooth: Float64Array = Float64Array.from(x)
  if (c.smoothing > 0)
    for (const axis of [0, 1, 2]) smooth = blur(smooth, channels, size, axis, draws.sigma, Math.ceil(3 * c.smoothing))
  const y = new Float64Array(smooth.length)
  let i = 0
  for (let channel = 0; channel < channels; channel++)
    for (let d = 0; d < D; d++)
      for (let h = 0; h < H; h++)
        for (let w = 0; w < W; w++, i++) {
          const at = [d, h, w].map((v, k) => v - draws.shift[k]!)
          if (at.every((v, k) => v >= 0 && v < size[k]!)) {
            if (draws.flipped) at[c.flip!] = size[c.flip!]! - 1 - at[c.flip!]!
            y[i] = smooth[((channel * D + at[0]!) * H + at[1]!) * W + at[2]!]!
          }
          if (c.noise > 0) y[i]! += draws.deviation * draws.normal(i)
        }
  return y
}

function blur(
  x: Float64Array,
  channels: number,
  size: Size,
  axis: number,
  sigma: number,
  radius: number,
): Float64Array {
  const width = Math.max(sigma, 0.1)
  const weights = Array.from({ length: 2 * radius + 1 }, (_, k) => Math.exp(-0.5 * ((k - radius) / width) ** 2))
  const total = weights.reduce((a, b) => a + b, 0)
  const [D, H, W] = size
  const y = new Float64Array(x.length)
  let i = 0
  for (let channel = 0; channel < channels; channel++)
    for (let d = 0; d < D; d++)
      for (let h = 0; h < H; h++)
        for (let w = 0; w < W; w++, i++)
          weights.forEach((weight, k) => {
            const at = [d, h, w]
            at[axis] = Math.min(Math.max(at[axis]! + k - radius, 0), size[axis]! - 1)
            y[i]! += (weight / total) * x[((channel * D + at[0]!) * H + at[1]!) * W + at[2]!]!
          })
  return y
}
