/** Smooth individual variation of form and brightness, and sampling through it. */
import { type Affine, voxelSize } from '../io/volume.ts'
import type { Grid } from './brain.ts'
import { randomStream } from './random.ts'

/** Control points of the random fields lie this far apart, in mm, on a box around the head. */
const SPACING_MM = 32
const FIRST_MM = [-154, -190, -136] as const
const POINTS = [11, 13, 11] as const
/** Displacement in x, y, z (mm) and logarithm of brightness. */
const CHANNELS = 4

/** The variance that a cubic B-spline keeps of independent control values, averaged over positions, is (151/315)^3. */
const SPLINE_SD = (151 / 315) ** 1.5

/** Random cubic B-spline control values; the fields that they span have the asked standard deviations. */
function controlPoints(seed: number, displacementMm: number, brightness: number): Float64Array {
  const random = randomStream(seed)
  const values = new Float64Array(POINTS[0] * POINTS[1] * POINTS[2] * CHANNELS)
  for (let n = 0; n < values.length; n++) {
    values[n] = (random.normal() * (n % CHANNELS < 3 ? displacementMm : brightness)) / SPLINE_SD
  }
  return values
}

/** Weights of the four control points around position t (in spacings); t is clamped to where four exist. */
function splineWeights(t: number, points: number, weights: Float64Array, at: number): number {
  const clamped = Math.min(points - 3.001, Math.max(1, t))
  const base = Math.floor(clamped)
  const f = clamped - base
  const g = 1 - f
  weights[at] = (g * g * g) / 6
  weights[at + 1] = (3 * f * f * f - 6 * f * f + 4) / 6
  weights[at + 2] = (3 * g * g * g - 6 * g * g + 4) / 6
  weights[at + 3] = (f * f * f) / 6
  return base - 1
}

/** Inverse of the 3x3 part of an affine, row-major. */
function inverseLinear(m: Affine): number[] {
  const [a, b, c, , d, e, f, , g, h, i] = m as number[] as [number, ...number[]] & number[]
  const det = a! * (e! * i! - f! * h!) - b! * (d! * i! - f! * g!) + c! * (d! * h! - e! * g!)
  return [
    e! * i! - f! * h!,
    c! * h! - b! * i!,
    b! * f! - c! * e!,
    f! * g! - d! * i!,
    a! * i! - c! * g!,
    c! * d! - a! * f!,
    d! * h! - e! * g!,
    b! * g! - a! * h!,
    a! * e! - b! * d!,
  ].map((value) => value / det)
}

export interface Variation {
  /** Draws `sources` (each on the grid) through the deformation, times the brightness, into new arrays. Trilinear, 0 outside. */
  apply(sources: readonly Float32Array[]): Float32Array[]
}

/**
 * A smooth random deformation and brightness field in MNI mm: the same for every grid and voxel size.
 * @param displacementMm standard deviation of each component of the displacement, in mm
 * @param brightness standard deviation of the logarithm of the brightness
 */
export function randomVariation(grid: Grid, seed: number, displacementMm: number, brightness: number): Variation {
  const { shape, affine } = grid
  const control = controlPoints(seed, displacementMm, brightness)
  const inverse = inverseLinear(affine)
  // The spline is evaluated every ~12 mm only and interpolated linearly between: it is smooth on that scale.
  const step = voxelSize(affine).map((mm) => Math.max(1, Math.round(12 / mm)))
  const nodes = shape.map((n, axis) => Math.ceil((n - 1) / step[axis]!) + 1) as [number, number, number]
  const field = new Float32Array(nodes[0] * nodes[1] * nodes[2] * CHANNELS)
  const weights = new Float64Array(12)
  const mean = new Float64Array(CHANNELS)
  let n = 0
  for (let k = 0; k < nodes[2]; k++) {
    for (let j = 0; j < nodes[1]; j++) {
      for (let i = 0; i < nodes[0]; i++) {
        const index = [i * step[0]!, j * step[1]!, k * step[2]!]
        const base = [0, 1, 2].map((r) => {
          const mm =
            affine[4 * r]! * index[0]! +
            affine[4 * r + 1]! * index[1]! +
            affine[4 * r + 2]! * index[2]! +
            affine[4 * r + 3]!
          return splineWeights((mm - FIRST_MM[r]!) / SPACING_MM, POINTS[r]!, weights, 4 * r)
        })
        mean.fill(0)
        for (let tap = 0; tap < 64; tap++) {
          const [p, q, r] = [tap & 3, (tap >> 2) & 3, tap >> 4]
          const weight = weights[p]! * weights[4 + q]! * weights[8 + r]!
          const point = base[0]! + p + POINTS[0] * (base[1]! + q + POINTS[1] * (base[2]! + r))
          for (let c = 0; c < CHANNELS; c++) mean[c]! += weight * control[point * CHANNELS + c]!
        }
        for (let c = 0; c < 3; c++) {
          field[n++] = inverse[3 * c]! * mean[0]! + inverse[3 * c + 1]! * mean[1]! + inverse[3 * c + 2]! * mean[2]!
        }
        field[n++] = mean[3]!
      }
    }
  }
  return { apply: (sources) => sample(sources, shape, field, nodes, step) }
}

function sample(
  sources: readonly Float32Array[],
  shape: Grid['shape'],
  field: Float32Array,
  nodes: readonly [number, number, number],
  step: readonly number[],
): Float32Array[] {
  const [nx, ny, nz] = shape
  const out = sources.map(() => new Float32Array(nx * ny * nz))
  const row = new Float64Array(nodes[0] * CHANNELS)
  let n = 0
  for (let k = 0; k < nz; k++) {
    const k0 = Math.min(nodes[2] - 1, Math.floor(k / step[2]!))
    const k1 = Math.min(nodes[2] - 1, k0 + 1)
    const fk = k / step[2]! - k0
    for (let j = 0; j < ny; j++) {
      const j0 = Math.min(nodes[1] - 1, Math.floor(j / step[1]!))
      const j1 = Math.min(nodes[1] - 1, j0 + 1)
      const fj = j / step[1]! - j0
      const width = nodes[0] * CHANNELS
      const corners = [k0, k1].flatMap((kk) => [j0, j1].map((jj) => width * (jj + nodes[1] * kk)))
      for (let c = 0; c < width; c++) {
        const low = field[corners[0]! + c]! * (1 - fj) + field[corners[1]! + c]! * fj
        const high = field[corners[2]! + c]! * (1 - fj) + field[corners[3]! + c]! * fj
        row[c] = low * (1 - fk) + high * fk
      }
      for (let i = 0; i < nx; i++, n++) {
        const i0 = Math.min(nodes[0] - 1, Math.floor(i / step[0]!))
        const i1 = Math.min(nodes[0] - 1, i0 + 1)
        const f = i / step[0]! - i0
        const a = CHANNELS * i0
        const b = CHANNELS * i1
        const x = i + row[a]! + f * (row[b]! - row[a]!)
        const y = j + row[a + 1]! + f * (row[b + 1]! - row[a + 1]!)
        const z = k + row[a + 2]! + f * (row[b + 2]! - row[a + 2]!)
        const x0 = Math.floor(x)
        const y0 = Math.floor(y)
        const z0 = Math.floor(z)
        // The outermost voxels of a grid that covers the brain are background: no need to treat its rim.
        if (x0 < 0 || y0 < 0 || z0 < 0 || x0 >= nx - 1 || y0 >= ny - 1 || z0 >= nz - 1) continue
        const fx = x - x0
        const fy = y - y0
        const fz = z - z0
        const at = x0 + nx * (y0 + ny * z0)
        const gain = Math.exp(row[a + 3]! + f * (row[b + 3]! - row[a + 3]!))
        for (let s = 0; s < sources.length; s++) {
          const v = sources[s]!
          const low = lerp2(v, at, nx, fx, fy)
          out[s]![n] = gain * (low + fz * (lerp2(v, at + nx * ny, nx, fx, fy) - low))
        }
      }
    }
  }
  return out
}

/** Bilinear value in one slice. */
function lerp2(v: Float32Array, at: number, nx: number, fx: number, fy: number): number {
  const a = v[at]! + fx * (v[at + 1]! - v[at]!)
  const b = v[at + nx]! + fx * (v[at + nx + 1]! - v[at + nx]!)
  return a + fy * (b - a)
}
