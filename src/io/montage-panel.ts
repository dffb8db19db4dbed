/**
 * One slice of a montage: grey scan, overlay in colour, correct proportions.
 */

import { type Picture, setLevels, setPixel } from './canvas.ts'
import { type OverlayScale, overlayColour, overlayOpacity } from './montage-overlay.ts'
import type { Volume } from './volume.ts'

export interface Plane {
  readonly name: 'axial' | 'coronal' | 'sagittal'
  /** World axis across the picture, up the picture, and through it (0 x, 1 y, 2 z). */
  readonly across: 0 | 1 | 2
  readonly up: 0 | 1 | 2
  readonly through: 0 | 1 | 2
  /** What lies at the left and at the right edge. */
  readonly sides: readonly [string, string]
}

export const PLANES: readonly Plane[] = [
  { name: 'axial', across: 0, up: 1, through: 2, sides: ['L', 'R'] },
  { name: 'coronal', across: 0, up: 2, through: 1, sides: ['L', 'R'] },
  { name: 'sagittal', across: 1, up: 2, through: 0, sides: ['P', 'A'] },
]

export interface Panel {
  readonly plane: Plane
  /** Voxel index along the plane's through axis. */
  readonly slice: number
  /** Place in the picture, in pixels. */
  readonly left: number
  readonly top: number
  readonly width: number
  readonly height: number
}

export interface Scene {
  /** In closest-RAS+ order, finite values. */
  readonly scan: Volume
  /** On the scan's grid, finite values. */
  readonly map: Volume | undefined
  /** Values drawn black and white. */
  readonly grey: readonly [number, number]
  readonly scale: OverlayScale | undefined
  /** Part of the grid shown, for each axis: from and to in voxel indices (edges, so -0.5 is the first voxel's edge). */
  readonly box: readonly (readonly [number, number])[]
}

/** Draws a slice, interpolated linearly within its plane. */
export function drawPanel(picture: Picture, panel: Panel, { scan, map, grey, scale, box }: Scene): void {
  const { plane, slice, left, top, width, height } = panel
  const across = scan.shape[plane.across]!
  const up = scan.shape[plane.up]!
  const strides = [1, scan.shape[0], scan.shape[0] * scan.shape[1]]
  const stepAcross = strides[plane.across]!
  const stepUp = strides[plane.up]!
  const base = slice * strides[plane.through]!
  const column = samplePoints(box[plane.across]!, width, across)
  const row = samplePoints(box[plane.up]!, height, up)
  const level = 255 / (grey[1] - grey[0])
  for (let y = 0; y < height; y++) {
    // The picture's rows run down, the axis runs up.
    const { index: j, next: nextUp, weight: v } = row[height - 1 - y]!
    for (let x = 0; x < width; x++) {
      const { index: i, next: nextAcross, weight: u } = column[x]!
      const at = base + i * stepAcross + j * stepUp
      const [a, b] = [nextAcross * stepAcross, nextUp * stepUp]
      const shade = Math.round(Math.min(255, Math.max(0, (bilinear(scan.data, at, a, b, u, v) - grey[0]) * level)))
      const value = map && scale ? bilinear(map.data, at, a, b, u, v) : 0
      if (scale && overlayOpacity(value, scale) > 0) {
        setPixel(picture, left + x, top + y, overlayColour(value, shade, scale))
      } else {
        setLevels(picture, left + x, top + y, shade, shade, shade)
      }
    }
  }
}

/** Between a voxel and its neighbours at +a (weight u) and +b (weight v). No closure: this runs for every pixel. */
function bilinear(data: Float32Array, at: number, a: number, b: number, u: number, v: number): number {
  return (data[at]! * (1 - u) + data[at + a]! * u) * (1 - v) + (data[at + b]! * (1 - u) + data[at + a + b]! * u) * v
}

/** For each of `pixels` pixels across [from, to]: the voxel below its centre, 1 or 0 to the next one, and its weight. */
function samplePoints([from, to]: readonly [number, number], pixels: number, voxels: number) {
  return Array.from({ length: pixels }, (_, p) => {
    const x = Math.min(voxels - 1, Math.max(0, from + ((p + 0.5) / pixels) * (to - from)))
    const index = Math.floor(x)
    return { index, next: index < voxels - 1 ? 1 : 0, weight: x - index }
  })
}
