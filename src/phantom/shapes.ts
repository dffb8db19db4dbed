/** Small solids and waves in millimetres that the anatomy is built from. */
import { randomStream } from './random.ts'
import type { Region } from './regions.ts'

/** A scalar field over MNI mm. For solids: signed distance in mm, negative inside. */
export type Field = (x: number, y: number, z: number) => number

/** 0 below -w, 1 above +w, cubic in between. */
export function softStep(t: number, w: number): number {
  if (t <= -w) return 0
  if (t >= w) return 1
  const u = (t + w) / (2 * w)
  return u * u * (3 - 2 * u)
}

/** Smooth minimum (polynomial, Quilez): the union of two solids with a fillet of about k mm. */
export function smoothUnion(a: number, b: number, k: number): number {
  const h = Math.max(k - Math.abs(a - b), 0) / k
  return Math.min(a, b) - h * h * k * 0.25
}

type Vector = readonly [number, number, number]

/**
 * Ellipsoid whose semi-axes may differ on the two sides of each axis (`back` are those towards -x, -y, -z; an egg), turned
 * by `pitch` radians about x (positive lifts the back). First-order distance.
 */
export function ellipsoid(centre: Vector, radii: Vector, pitch = 0, back: Vector = radii): Field {
  const [cx, cy, cz] = centre
  const c = Math.cos(pitch)
  const s = Math.sin(pitch)
  const depth = -Math.min(...radii, ...back)
  return (x, y, z) => {
    const dx = x - cx
    const dy = c * (y - cy) - s * (z - cz)
    const dz = s * (y - cy) + c * (z - cz)
    const rx = dx < 0 ? back[0] : radii[0]
    const ry = dy < 0 ? back[1] : radii[1]
    const rz = dz < 0 ? back[2] : radii[2]
    const u = dx / rx
    const v = dy / ry
    const w = dz / rz
    const k0 = Math.sqrt(u * u + v * v + w * w)
    const k1 = Math.sqrt((u / rx) ** 2 + (v / ry) ** 2 + (w / rz) ** 2)
    return k1 === 0 ? depth : (k0 * (k0 - 1)) / k1
  }
}

export interface RegionGaussian {
  /** Squared Mahalanobis distance to the region's centroid. */
  distance2: Field
  /** log(volume * normal density), up to a constant that all regions share: the largest is the most likely region. */
  logWeight: number
  /** Signed distance in mm (first order) to the ellipsoid that has the region's covariance shape and its volume. */
  surface: Field
}

/** The region as a Gaussian ellipsoid. */
export function regionGaussian(region: Region): RegionGaussian {
  const [cx, cy, cz] = region.centre
  const [xx, yy, zz, xy, xz, yz] = region.covariance
  const a = yy * zz - yz * yz
  const b = xz * yz - xy * zz
  const c = xy * yz - xz * yy
  const det = xx * a + xy * b + xz * c
  const ixx = a / det
  const ixy = b / det
  const ixz = c / det
  const iyy = (xx * zz - xz * xz) / det
  const iyz = (xy * xz - xx * yz) / det
  const izz = (xx * yy - xy * xy) / det
  const distance2: Field = (x, y, z) => {
    const dx = x - cx
    const dy = y - cy
    const dz = z - cz
    return dx * (ixx * dx + 2 * (ixy * dy + ixz * dz)) + dy * (iyy * dy + 2 * iyz * dz) + izz * dz * dz
  }
  const radius = Math.cbrt((3 * region.volume) / (4 * Math.PI * Math.sqrt(det)))
  const surface: Field = (x, y, z) => {
    const dx = x - cx
    const dy = y - cy
    const dz = z - cz
    const gx = ixx * dx + ixy * dy + ixz * dz
    const gy = ixy * dx + iyy * dy + iyz * dz
    const gz = ixz * dx + iyz * dy + izz * dz
    const m = Math.sqrt(dx * gx + dy * gy + dz * gz)
    const slope = Math.sqrt(gx * gx + gy * gy + gz * gz)
    return slope === 0 ? -radius : ((m - radius) * m) / slope
  }
  return { distance2, logWeight: Math.log(region.volume) - 0.5 * Math.log(det), surface }
}

/** Sum of `count` plane waves of one wavelength in random directions: isotropic noise of variance 1 whose zero set is a labyrinth. */
export function randomWaves(seed: number, wavelength: number, count: number) {
  const random = randomStream(seed)
  const k = new Float64Array(count * 4)
  for (let i = 0; i < count; i++) {
    // Directions of a golden spiral cover the sphere evenly with few waves; only phases are random.
    const cz = 1 - (2 * i + 1) / count
    const sz = Math.sqrt(1 - cz * cz)
    const turn = i * 2.399963229728653
    const f = (2 * Math.PI) / wavelength
    k.set([f * sz * Math.cos(turn), f * sz * Math.sin(turn), f * cz, 2 * Math.PI * random.uniform()], 4 * i)
  }
  const gain = Math.sqrt(2 / count)
  const value: Field = (x, y, z) => {
    let sum = 0
    for (let i = 0; i < 4 * count; i += 4) sum += Math.cos(k[i]! * x + k[i + 1]! * y + k[i + 2]! * z + k[i + 3]!)
    return gain * sum
  }
  // Where the slope vanishes on the zero set (two sheets cross) the quotient alone would call the crossing far away.
  const leastSlope2 = (0.35 * ((2 * Math.PI) / wavelength)) ** 2 * (count / 2)
  /** First-order distance in mm to the zero set, within the plane across the unit vector (ux, uy, uz), or in space if it is 0. */
  const distanceToZero = (x: number, y: number, z: number, ux = 0, uy = 0, uz = 0): number => {
    let sum = 0
    let gx = 0
    let gy = 0
    let gz = 0
    for (let i = 0; i < 4 * count; i += 4) {
      const phase = k[i]! * x + k[i + 1]! * y + k[i + 2]! * z + k[i + 3]!
      const s = Math.sin(phase)
      sum += Math.cos(phase)
      gx += k[i]! * s
      gy += k[i + 1]! * s
      gz += k[i + 2]! * s
    }
    const along = gx * ux + gy * uy + gz * uz
    return Math.abs(sum) / Math.sqrt(gx * gx + gy * gy + gz * gz - along * along + leastSlope2)
  }
  return { value, distanceToZero }
}
