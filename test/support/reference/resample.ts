/** Resampling and blurring of [N, C, D, H, W] voxel by voxel, straight from the definitions of PyTorch and scipy. */
import type { Shape } from '../../../src/engine/tensor.ts'
import { build, flatIndex } from './elementwise.ts'

/** Position in the input of voxel i of the result, torch.nn.functional.interpolate. */
function position(i: number, from: number, out: number, alignCorners: boolean): number {
  if (alignCorners) return out === 1 ? 0 : (i * (from - 1)) / (out - 1)
  return Math.max(((i + 0.5) * from) / out - 0.5, 0)
}

/** Trilinear: the eight voxels around the position, weighted by the volumes of the opposite boxes. */
export function trilinear(x: ArrayLike<number>, shape: Shape, size: readonly number[], alignCorners: boolean) {
  const [, , ...from] = shape
  return build([shape[0]!, shape[1]!, ...size], ([n, c, ...at]) => {
    const p = at.map((i, k) => position(i, from[k]!, size[k]!, alignCorners))
    let value = 0
    for (let corner = 0; corner < 8; corner++) {
      let weight = 1
      const own = p.map((q, k) => {
        const low = Math.min(Math.floor(q), from[k]! - 1)
        const upper = (corner >> k) & 1
        weight *= upper ? q - low : 1 - (q - low)
        return Math.min(low + upper, from[k]! - 1)
      })
      value += weight * x[flatIndex([n!, c!, ...own], shape)]!
    }
    return value
  })
}

/** Nearest: floor(i * in / out), in float32 as PyTorch computes it. */
export function nearest(x: ArrayLike<number>, shape: Shape, size: readonly number[]): Float64Array {
  const [, , ...from] = shape
  return build([shape[0]!, shape[1]!, ...size], ([n, c, ...at]) => {
    const own = at.map((i, k) => {
      const scale = Math.fround(from[k]! / size[k]!)
      return Math.min(Math.floor(Math.fround(i * scale)), from[k]! - 1)
    })
    return x[flatIndex([n!, c!, ...own], shape)]!
  })
}

/** scipy.ndimage.gaussian_filter over the last three axes as one dense 3D sum. */
export function gaussian(
  x: ArrayLike<number>,
  shape: Shape,
  sigma: readonly number[],
  truncate: number,
  boundary: 'zero' | 'nearest',
): Float64Array {
  const radius = sigma.map((s) => Math.floor(truncate * s + 0.5))
  const density = (offset: number, s: number) => (s === 0 ? 1 : Math.exp(-(offset ** 2) / (2 * s ** 2)))
  let total = 0
  const offsets: { offset: number[]; weight: number }[] = []
  for (let d = -radius[0]!; d <= radius[0]!; d++) {
    for (let h = -radius[1]!; h <= radius[1]!; h++) {
      for (let w = -radius[2]!; w <= radius[2]!; w++) {
        const weight = density(d, sigma[0]!) * density(h, sigma[1]!) * density(w, sigma[2]!)
        offsets.push({ offset: [d, h, w], weight })
        total += weight
      }
    }
  }
  const [, , ...size] = shape
  return build(shape, ([n, c, ...at]) =>
    offsets.reduce((sum, { offset, weight }) => {
      const there = at.map((i, k) => i + offset[k]!)
      const inside = there.map((i, k) => Math.min(Math.max(i, 0), size[k]! - 1))
      if (boundary === 'zero' && there.some((i, k) => i !== inside[k])) return sum
      return sum + (weight / total) * x[flatIndex([n!, c!, ...inside], shape)]!
    }, 0),
  )
}
