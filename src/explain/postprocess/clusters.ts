/** Clusters of a map: voxels of one sign that touch by a face, an edge or a corner (26-connected). */

import { affineDeterminant } from '../../io/affine.ts'
import { type Volume, voxelToWorld } from '../../io/volume.ts'

export interface Cluster {
  /** Its number in the labels, from 1: the largest first, and the one that begins first among equals. */
  readonly label: number
  readonly voxels: number
  readonly mm3: number
  readonly sum: number
  readonly mean: number
  /** The value furthest from 0: negative in a cluster of negative values. */
  readonly peak: number
  /** Voxel (i, j, k) of the peak, the first of several. */
  readonly peakVoxel: readonly [number, number, number]
  /** The same in world mm. */
  readonly peakMm: readonly [number, number, number]
}

export interface Clusters {
  /** Number of the cluster of every voxel, 0 for none; in the volume's order. */
  readonly labels: Uint32Array
  readonly clusters: readonly Cluster[]
}

export interface ClusterOptions {
  /** Magnitude from which a voxel counts; voxels of 0 never do. Default 0. */
  readonly threshold?: number
  /** Smaller clusters are left out. Default 1. */
  readonly minVoxels?: number
}

/** Clusters with their sizes, means and peaks. NaN counts as 0. */
export function findClusters(volume: Volume, { threshold = 0, minVoxels = 1 }: ClusterOptions = {}): Clusters {
  const { shape, data, affine } = volume
  const sign = (v: number) => (Math.abs(v) >= threshold ? Math.sign(v) || 0 : 0)
  const labels = new Uint32Array(data.length)
  const stack = new Uint32Array(data.length)
  const found: { at: number; voxels: number; sum: number; peak: number }[] = []
  for (let start = 0; start < data.length; start++) {
    const side = labels[start] === 0 ? sign(data[start]!) : 0
    if (side === 0) continue
    const number = found.length + 1
    const cluster = { at: start, voxels: 0, sum: 0, peak: start }
    found.push(cluster)
    labels[start] = number
    stack[0] = start
    for (let waiting = 1; waiting > 0; ) {
      const v = stack[--waiting]!
      const value = data[v]!
      cluster.voxels++
      cluster.sum += value
      const more = Math.abs(value) - Math.abs(data[cluster.peak]!)
      if (more > 0 || (more === 0 && v < cluster.peak)) cluster.peak = v
      eachNeighbour(v, shape, (n) => {
        if (labels[n] !== 0 || sign(data[n]!) !== side) return
        labels[n] = number
        stack[waiting++] = n
      })
    }
  }
  const kept = [...found.keys()]
    .filter((k) => found[k]!.voxels >= minVoxels)
    .sort((a, b) => found[b]!.voxels - found[a]!.voxels || a - b)
  const renamed = new Uint32Array(found.length + 1)
  kept.forEach((k, n) => {
    renamed[k + 1] = n + 1
  })
  labels.forEach((label, v) => {
    labels[v] = renamed[label]!
  })
  const voxelMm3 = Math.abs(affineDeterminant(affine))
  const clusters = kept.map((k, n): Cluster => {
    const { voxels, sum, peak } = found[k]!
    const line = Math.floor(peak / shape[0])
    const peakVoxel = [peak % shape[0], line % shape[1], Math.floor(line / shape[1])] as const
    const peakMm = voxelToWorld(affine, ...peakVoxel)
    const sizes = { voxels, mm3: voxels * voxelMm3, sum, mean: sum / voxels }
    return { label: n + 1, ...sizes, peak: data[peak]!, peakVoxel, peakMm }
  })
  return { labels, clusters }
}

/** The values of a map in its clusters, 0 elsewhere. */
export function keepClusters(volume: Volume, { labels }: Clusters): Volume {
  return { ...volume, data: volume.data.map((value, v) => (labels[v]! > 0 ? value : 0)) }
}

function eachNeighbour(v: number, [nx, ny, nz]: Volume['shape'], visit: (neighbour: number) => void): void {
  const line = Math.floor(v / nx)
  const i = v % nx
  const j = line % ny
  const k = Math.floor(line / ny)
  for (let z = Math.max(0, k - 1); z <= Math.min(nz - 1, k + 1); z++) {
    for (let y = Math.max(0, j - 1); y <= Math.min(ny - 1, j + 1); y++) {
      const row = nx * (y + ny * z)
      for (let x = Math.max(0, i - 1); x <= Math.min(nx - 1, i + 1); x++) visit(row + x)
    }
  }
}
