/** The phantom's intact brain on a grid: grey-matter density, atlas labels and soft region memberships. */
import { InputError } from '../io/errors.ts'
import { type Affine, type Volume, voxelSize, voxelToWorld } from '../io/volume.ts'
import { greyMatter } from './anatomy.ts'
import { gaussianBlur } from './blur.ts'
import { REGIONS } from './regions.ts'
import { regionGaussian } from './shapes.ts'

/** Where voxels are: number of voxels along i, j, k, and voxel index -> MNI mm. */
export interface Grid {
  readonly shape: readonly [number, number, number]
  readonly affine: Affine
}

/** The box that CAT12 and Clinica use: 181.5 x 217.5 x 181.5 mm, first voxel centre at (-90, -126, -72). */
const ORIGIN = [-90, -126, -72] as const
const EXTENT = [181.5, 217.5, 181.5] as const

/** Smoothing of the anatomy in mm (standard deviation), about that of a registered single subject. */
const ANATOMY_BLUR_MM = 1

/** Squared Mahalanobis distance at which a region ends, and at which its membership begins to fade. */
const REGION_END = 9
const REGION_FADE = 6

/** The same field of view in so many voxels along x, y, z, whatever their size. */
export function gridOf(shape: readonly [number, number, number]): Grid {
  const [a, b, c] = shape.map((n, axis) => EXTENT[axis]! / n) as [number, number, number]
  const [x, y, z] = ORIGIN
  return { shape, affine: [a, 0, 0, x, 0, b, 0, y, 0, 0, c, z, 0, 0, 0, 1] }
}

/**
 * An axis-aligned grid that covers the brain, isotropic, x to the right: at 1.5 mm exactly the 121 x 145 x 121 grid of CAT12,
 * at 2 mm 91 x 109 x 91, at 4 mm 46 x 55 x 46.
 * @param voxelMm edge of a voxel in mm, 0.5 to 20
 * @throws InputError for any other edge
 */
export function defaultGrid(voxelMm: number): Grid {
  if (!(voxelMm >= 0.5 && voxelMm <= 20)) {
    throw new InputError(`voxel size ${voxelMm} mm: give a number from 0.5 to 20`)
  }
  const shape = EXTENT.map((mm) => Math.ceil(mm / voxelMm - 1e-6)) as [number, number, number]
  const [x, y, z] = ORIGIN
  return { shape, affine: [voxelMm, 0, 0, x, 0, voxelMm, 0, y, 0, 0, voxelMm, z, 0, 0, 0, 1] }
}

/**
 * Grey-matter density of the intact template on a grid, [0, 1], 0 outside the brain. Voxels wider than 2 mm average
 * samples at most 2 mm apart, so a coarse grid is a coarse picture of the same brain.
 */
export function brainTemplate(grid: Grid): Volume {
  const { shape, affine } = grid
  const size = voxelSize(affine)
  const split = size.map((mm) => Math.ceil(mm / 2 - 1e-6)) as [number, number, number]
  const fineShape = shape.map((n, axis) => n * split[axis]!) as [number, number, number]
  const fineSize = size.map((mm, axis) => mm / split[axis]!) as [number, number, number]
  const density = greyMatter(Math.max(0.6, 0.5 * Math.max(...fineSize)))
  const fine = new Float32Array(fineShape[0] * fineShape[1] * fineShape[2])
  let n = 0
  for (let k = 0; k < fineShape[2]; k++) {
    for (let j = 0; j < fineShape[1]; j++) {
      for (let i = 0; i < fineShape[0]; i++) {
        const index = [i, j, k].map((at, axis) => (at + 0.5) / split[axis]! - 0.5)
        const [x, y, z] = voxelToWorld(affine, index[0]!, index[1]!, index[2]!)
        fine[n++] = density(x, y, z)
      }
    }
  }
  gaussianBlur(fine, fineShape, fineSize.map((mm) => ANATOMY_BLUR_MM / mm) as [number, number, number])
  const data = new Float32Array(shape[0] * shape[1] * shape[2])
  const share = 1 / (split[0] * split[1] * split[2])
  n = 0
  for (let k = 0; k < fineShape[2]; k++) {
    for (let j = 0; j < fineShape[1]; j++) {
      const row = shape[0] * (Math.floor(j / split[1]) + shape[1] * Math.floor(k / split[2]))
      for (let i = 0; i < fineShape[0]; i++) data[row + Math.floor(i / split[0])]! += fine[n++]! * share
    }
  }
  // What the smoothing spread beyond the brain is no tissue: the background is exactly 0.
  for (let v = 0; v < data.length; v++) if (data[v]! < 0.01) data[v] = 0
  return { shape, affine, data }
}

/** Which regions a voxel belongs to: the two most likely, with weights that sum to at most 1 (less at a region's rim). */
export interface Parcellation {
  /** Label of the most likely region (Region.value), 0 where there is none. */
  readonly atlas: Volume
  /** Index into REGIONS of the most likely and of the second region. */
  readonly first: Uint8Array
  readonly second: Uint8Array
  readonly firstWeight: Float32Array
  readonly secondWeight: Float32Array
}

const gaussians = REGIONS.map((region) => ({ ...regionGaussian(region), region }))

/**
 * Labels every tissue voxel of `template` with the region of highest likelihood (volume times Gaussian density) among those
 * whose Mahalanobis distance is below 3.
 */
export function parcellate(template: Volume): Parcellation {
  const { shape, affine, data } = template
  const atlas = new Float32Array(data.length)
  const first = new Uint8Array(data.length)
  const second = new Uint8Array(data.length)
  const firstWeight = new Float32Array(data.length)
  const secondWeight = new Float32Array(data.length)
  // A region is looked at only where the box around its ellipsoid is; each axis of the box is 3 standard deviations.
  const boxes = gaussians.map(({ region: { centre, covariance } }) => ({
    centre,
    half: [0, 1, 2].map((axis) => Math.sqrt(REGION_END * covariance[axis]!)),
  }))
  for (let v = 0; v < data.length; v++) {
    if (data[v] === 0) continue
    const i = v % shape[0]
    const j = Math.floor(v / shape[0]) % shape[1]
    const k = Math.floor(v / (shape[0] * shape[1]))
    const x = affine[0]! * i + affine[1]! * j + affine[2]! * k + affine[3]!
    const y = affine[4]! * i + affine[5]! * j + affine[6]! * k + affine[7]!
    const z = affine[8]! * i + affine[9]! * j + affine[10]! * k + affine[11]!
    let best = -1
    let next = -1
    let bestLog = -Infinity
    let nextLog = -Infinity
    let bestDistance = 0
    for (let r = 0; r < gaussians.length; r++) {
      const { centre, half } = boxes[r]!
      if (Math.abs(z - centre[2]) > half[2]! || Math.abs(y - centre[1]) > half[1]!) continue
      if (Math.abs(x - centre[0]) > half[0]!) continue
      const distance2 = gaussians[r]!.distance2(x, y, z)
      if (distance2 > REGION_END) continue
      const log = gaussians[r]!.logWeight - 0.5 * distance2
      if (log > bestLog) {
        next = best
        nextLog = bestLog
        best = r
        bestLog = log
        bestDistance = distance2
      } else if (log > nextLog) {
        next = r
        nextLog = log
      }
    }
    if (best < 0) continue
    const odds = next < 0 ? 0 : Math.exp(nextLog - bestLog)
    const presence = Math.min(1, (REGION_END - bestDistance) / (REGION_END - REGION_FADE))
    atlas[v] = REGIONS[best]!.value
    first[v] = best
    second[v] = next < 0 ? best : next
    firstWeight[v] = presence / (1 + odds)
    secondWeight[v] = (presence * odds) / (1 + odds)
  }
  return { atlas: { shape, affine, data: atlas }, first, second, firstWeight, secondWeight }
}

export interface Brain {
  readonly template: Volume
  readonly parcellation: Parcellation
}

let latest: { key: string; brain: Brain } | undefined

/** Template and parcellation of a grid; the latest grid's are kept, because they take seconds and do not depend on a seed. */
export function brainOnGrid(grid: Grid): Brain {
  const key = [...grid.shape, ...grid.affine].join()
  if (latest?.key !== key) {
    const template = brainTemplate(grid)
    latest = { key, brain: { template, parcellation: parcellate(template) } }
  }
  return latest.brain
}
