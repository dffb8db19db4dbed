/** Windows that move over a volume, boxes or balls, on a regular lattice. Windows count from 0, W fastest. */
import { InputError } from '../../io/errors.ts'

export type Triple = readonly [number, number, number]

/** Voxels in a row of the volume, [first, end) as flat indices. */
export type VisitSpan = (first: number, end: number) => void

export interface Windows {
  readonly count: number
  /** Numbers of a window as the kernel takes it (see perturb/window.wgsl). */
  row(window: number): readonly number[]
  /** Calls visit for every row of voxels that a window covers, in order. */
  eachSpan(window: number, visit: VisitSpan): void
}

/** Squared distance over squared radius up to which a voxel lies in a ball: a little above 1, as rounding is. */
export const BALL_LIMIT = 1.00001

/** Numbers of a window that covers nothing. */
export const emptyRow = { box: [0, 0, 0, 0, 0, 0], sphere: [-1e6, -1e6, -1e6, 1, 1, 1] } as const

/**
 * Boxes that begin every `stride` voxels from the first on; those that reach over the end are cut (Captum's Occlusion).
 * @param size of the volume, edge and stride in voxels along [D, H, W]
 * @throws InputError when the boxes leave voxels between them
 */
export function boxWindows(size: Triple, edge: Triple, stride: Triple): Windows {
  if (edge.some((n, k) => n < stride[k]!)) refuseGaps(`windows of ${edge.join(' x ')} voxels`, stride)
  const counts = size.map((n, k) => (n <= edge[k]! ? 1 : Math.ceil((n - edge[k]!) / stride[k]!) + 1))
  const row = (window: number) => {
    const start = placeOf(window, counts).map((p, k) => p * stride[k]!)
    return [...start, ...start.map((s, k) => Math.min(s + edge[k]!, size[k]!))]
  }
  return {
    count: counts.reduce((a, b) => a * b, 1),
    row,
    eachSpan(window, visit) {
      const [d0, h0, w0, d1, h1, w1] = row(window) as [number, number, number, number, number, number]
      for (let d = d0; d < d1; d++) {
        for (let h = h0; h < h1; h++) {
          const line = (d * size[1] + h) * size[2]
          visit(line + w0, line + w1)
        }
      }
    },
  }
}

/**
 * Balls whose centres lie `stride` voxels apart, as many voxels free before the first as after the last centre. A voxel
 * whose centre is no further than the radius is in.
 * @param size of the volume, stride in voxels along [D, H, W]
 * @param radius in the units of `spacing`
 * @param spacing length of a voxel along [D, H, W]
 * @throws InputError when the balls leave voxels between them
 */
export function ballWindows(size: Triple, radius: number, stride: Triple, spacing: Triple): Windows {
  const inverse = spacing.map((s) => s / radius) as [number, number, number]
  const furthest = inverse.reduce((sum, s, k) => sum + (Math.floor(stride[k]! / 2) * s) ** 2, 0)
  if (furthest > BALL_LIMIT) refuseGaps(`spheres of radius ${radius}`, stride)
  const counts = size.map((n, k) => Math.floor((n - 1) / stride[k]!) + 1)
  const first = size.map((n, k) => Math.floor(((n - 1) % stride[k]!) / 2))
  const centre = (window: number) => placeOf(window, counts).map((p, k) => first[k]! + p * stride[k]!)
  const spans = ballSpans(inverse)
  return {
    count: counts.reduce((a, b) => a * b, 1),
    row: (window) => [...centre(window), ...inverse],
    eachSpan(window, visit) {
      const [d, h, w] = centre(window) as [number, number, number]
      for (const [down, across, half] of spans) {
        if (d + down < 0 || d + down >= size[0] || h + across < 0 || h + across >= size[1]) continue
        const line = ((d + down) * size[1] + h + across) * size[2]
        visit(line + Math.max(0, w - half), line + Math.min(size[2], w + half + 1))
      }
    },
  }
}

/** Rows of a ball around its centre: offset along D, along H, and voxels on either side along W. */
function ballSpans([a, b, c]: Triple): [number, number, number][] {
  const reach = Math.sqrt(BALL_LIMIT)
  const spans: [number, number, number][] = []
  for (let d = -Math.floor(reach / a); d * a <= reach; d++) {
    for (let h = -Math.floor(reach / b); h * b <= reach; h++) {
      const left = BALL_LIMIT - (d * a) ** 2 - (h * b) ** 2
      if (left >= 0) spans.push([d, h, Math.floor(Math.sqrt(left) / c)])
    }
  }
  return spans
}

/** Place of a window on its lattice. */
function placeOf(window: number, counts: readonly number[]): number[] {
  const line = Math.floor(window / counts[2]!)
  return [Math.floor(line / counts[1]!), line % counts[1]!, window % counts[2]!]
}

function refuseGaps(what: string, stride: Triple): never {
  throw new InputError(`${what} every ${stride.join(' x ')} voxels leave voxels uncovered; give a smaller stride`)
}
