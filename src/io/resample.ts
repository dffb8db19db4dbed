/**
 * Moving a volume onto another grid, through world millimetres.
 */

import { invertAffine, multiplyAffine } from './affine.ts'
import { type Affine, type Volume, voxelToWorld } from './volume.ts'

export { invertAffine, multiplyAffine } from './affine.ts'

/** A grid: what a volume has besides its values. */
export interface Grid {
  /** Number of voxels along i, j, k. */
  readonly shape: readonly [number, number, number]
  /** Voxel index -> world millimetres (RAS+). */
  readonly affine: Affine
}

/**
 * True when two grids have the same shape and no voxel centre lies further than `tolerance` mm from its partner.
 * The map is affine, so the eight corners bound the distance everywhere.
 */
export function sameGrid(a: Grid, b: Grid, tolerance = 1e-3): boolean {
  if (a.shape.some((n, axis) => n !== b.shape[axis])) return false
  const [nx, ny, nz] = a.shape
  for (const i of [0, nx - 1]) {
    for (const j of [0, ny - 1]) {
      for (const k of [0, nz - 1]) {
        const p = voxelToWorld(a.affine, i, j, k)
        const q = voxelToWorld(b.affine, i, j, k)
        if (!(Math.hypot(p[0] - q[0], p[1] - q[1], p[2] - q[2]) <= tolerance)) return false
      }
    }
  }
  return true
}

/** Two grids that share voxel centres give coordinates off by rounding only; within this many voxels they are the same. */
const SNAP = 1e-5

function snap(x: number): number {
  const nearest = Math.round(x)
  return Math.abs(x - nearest) < SNAP ? nearest : x
}

/**
 * The volume's values at the voxel centres of another grid.
 *
 * @param volume source, any affine
 * @param target shape [nx, ny, nz] and affine (voxel -> mm) of the result
 * @param interpolation 'linear' (trilinear between voxel centres) or 'nearest' (for labels; ties go to the higher index)
 * @param fill value outside the source: beyond its outermost voxel centres (linear) or voxel edges (nearest)
 * @throws InputError when the source's affine is singular
 */
export function resample(volume: Volume, target: Grid, interpolation: 'linear' | 'nearest', fill = 0): Volume {
  const [nx, ny, nz] = target.shape
  const m = multiplyAffine(invertAffine(volume.affine), target.affine)
  const data = new Float32Array(nx * ny * nz)
  const sample = interpolation === 'linear' ? linearSampler(volume, fill) : nearestSampler(volume, fill)
  let out = 0
  for (let k = 0; k < nz; k++) {
    for (let j = 0; j < ny; j++) {
      const x0 = m[1]! * j + m[2]! * k + m[3]!
      const y0 = m[5]! * j + m[6]! * k + m[7]!
      const z0 = m[9]! * j + m[10]! * k + m[11]!
      for (let i = 0; i < nx; i++) {
        data[out++] = sample(snap(x0 + m[0]! * i), snap(y0 + m[4]! * i), snap(z0 + m[8]! * i))
      }
    }
  }
  return { shape: [nx, ny, nz], data, affine: [...target.affine] }
}

type Sampler = (x: number, y: number, z: number) => number

function nearestSampler({ shape, data }: Volume, fill: number): Sampler {
  const [nx, ny, nz] = shape
  return (x, y, z) => {
    const i = Math.floor(x + 0.5)
    const j = Math.floor(y + 0.5)
    const k = Math.floor(z + 0.5)
    const inside = i >= 0 && j >= 0 && k >= 0 && i < nx && j < ny && k < nz
    return inside ? data[i + nx * (j + ny * k)]! : fill
  }
}

function linearSampler({ shape, data }: Volume, fill: number): Sampler {
  const [nx, ny, nz] = shape
  // A corner without weight is not read: it may lie outside, and NaN times zero would spread a NaN by a voxel.
  const mix = (a: number, b: number, t: number) => a + (b - a) * t
  const line = (base: number, step: number, t: number) =>
    t === 0 ? data[base]! : mix(data[base]!, data[base + step]!, t)
  return (x, y, z) => {
    if (!(x >= 0 && y >= 0 && z >= 0 && x <= nx - 1 && y <= ny - 1 && z <= nz - 1)) return fill
    const i = Math.floor(x)
    const j = Math.floor(y)
    const k = Math.floor(z)
    const u = x - i
    const v = y - j
    const w = z - k
    const base = i + nx * (j + ny * k)
    const plane = (at: number) => (v === 0 ? line(at, 1, u) : mix(line(at, 1, u), line(at + nx, 1, u), v))
    return w === 0 ? plane(base) : mix(plane(base), plane(base + nx * ny), w)
  }
}
