/**
 * What a run can change. Where only some voxels of one tensor, the root, differ between two runs, only those outputs of a
 * convolution can differ that see one of them; and only those places need a gradient whose own value can change. Everything
 * else stays as the run before left it. A mask that acts on tissue leaves two thirds of a brain scan alone.
 *
 * A voxel is live when its value may change. `liveTensors` follows the graph from the root; `liveVoxels` says which voxels of
 * a tensor are live, given those of the root; `liveTasks` which threads of a kernel make one of them.
 */
import type { ConvGeometry } from './ops/conv-problem.ts'
import type { Node, TaskGrid, Tensor } from './tensor.ts'

/** Output o of an axis reads inputs o stride - front + k dilation, k < kernel. */
interface Windows {
  readonly kernel: readonly number[]
  readonly stride: readonly number[]
  readonly dilation: readonly number[]
  readonly front: readonly number[]
}

/** How a tensor follows from others: it sees windows of them, or the same places. */
interface Origin {
  readonly of: readonly Tensor[]
  readonly windows: Windows | undefined
}

/** Tensors [N, C, D, H, W] whose live voxels can be told from the root's, in topological order. */
export type LiveTensors = ReadonlyMap<Tensor, Origin>

/** @param nodes in topological order */
export function liveTensors(root: Tensor, nodes: readonly Node[]): LiveTensors {
  const found = new Map<Tensor, Origin>([[root, { of: [], windows: undefined }]])
  /** Those that depend on the root, whether or not their live voxels are known. */
  const touched = new Set<Tensor>([root])
  for (const node of nodes) {
    const changing = node.inputs.filter((t) => touched.has(t))
    if (changing.length === 0) continue
    for (const t of node.outputs) touched.add(t)
    if (!changing.every((t) => found.has(t))) continue
    const windows = windowsOf(node, changing)
    if (windows === undefined) continue
    for (const t of node.outputs) found.set(t, { of: changing, windows: windows === 'same' ? undefined : windows })
  }
  return found
}

function windowsOf(node: Node, changing: readonly Tensor[]): Windows | 'same' | undefined {
  const { operation, inputs, outputs, attributes } = node
  if (changing.length === 1 && changing[0] === inputs[0]) {
    if (operation.name === 'conv3d') {
      const { stride, dilation, front } = (attributes as { geometry: ConvGeometry }).geometry
      return { kernel: inputs[1]!.shape.slice(2), stride, dilation, front }
    }
    if (operation.name === 'max_pool3d' || operation.name === 'avg_pool3d') return attributes as unknown as Windows
  }
  const volume = outputs[0]?.shape
  const alike = changing.every((t) => t.shape.length === 5 && t.shape.every((n, k) => n === volume?.[k]))
  return operation.piece && alike ? 'same' : undefined
}

/** Live voxels of one tensor: [N, D, H, W], 1 for live. */
export interface LiveVoxels {
  readonly size: readonly number[]
  readonly flags: Uint8Array
}

/** @param root live voxels of the root. @returns a function that knows the live voxels of every tensor of the map */
export function liveVoxels(tensors: LiveTensors, root: Uint8Array): (t: Tensor) => LiveVoxels {
  const known = new Map<Tensor, LiveVoxels>()
  const of = (t: Tensor): LiveVoxels => {
    const before = known.get(t)
    if (before) return before
    const origin = tensors.get(t)!
    const [n, , ...volume] = t.shape as [number, number, ...number[]]
    const size = [n, ...volume]
    let flags = root
    if (origin.of.length > 0) {
      const seen = origin.of.map(of)
      const spread = origin.windows
        ? seen.map((one) => spreadFlags(one, size, origin.windows!))
        : seen.map((s) => s.flags)
      flags =
        spread.length === 1 ? spread[0]! : spread[0]!.map((_, i) => (spread.some((list) => list[i] === 1) ? 1 : 0))
    }
    const voxels = { size, flags }
    known.set(t, voxels)
    return voxels
  }
  return of
}

/** Outputs whose window holds a live input; boxes, so axis by axis. */
function spreadFlags({ size, flags }: LiveVoxels, out: readonly number[], windows: Windows): Uint8Array {
  let now = flags
  const shape = [...size]
  for (const axis of [1, 2, 3]) {
    const [kernel, stride, dilation, front] = [windows.kernel, windows.stride, windows.dilation, windows.front].map(
      (list) => list[axis - 1]!,
    ) as [number, number, number, number]
    const [from, to] = [shape[axis]!, out[axis]!]
    const outer = shape.slice(0, axis).reduce((a, b) => a * b, 1)
    const inner = shape.slice(axis + 1).reduce((a, b) => a * b, 1)
    const next = new Uint8Array(outer * to * inner)
    for (let o = 0; o < outer; o++) {
      for (let p = 0; p < to; p++) {
        const target = (o * to + p) * inner
        for (let k = 0; k < kernel; k++) {
          const q = p * stride - front + k * dilation
          if (q < 0 || q >= from) continue
          const source = (o * from + q) * inner
          for (let i = 0; i < inner; i++) if (now[source + i] === 1) next[target + i] = 1
        }
      }
    }
    now = next
    shape[axis] = to
  }
  return now
}

/** Threads of a kernel that make a live voxel, as its list: how many, and their numbers in order. */
export function liveTasks(grid: TaskGrid, voxels: LiveVoxels | undefined): Uint32Array {
  const { scans, blocks, size, tile, last } = grid
  const [planes, bands, tiles] = size.map((n, a) => Math.ceil(n / tile[a]!)) as [number, number, number]
  const perBlock = planes * bands * tiles
  const list = new Uint32Array(1 + scans * blocks * perBlock)
  const own = new Uint32Array(perBlock)
  let count = 0
  for (let n = 0; n < scans; n++) {
    let live = 0
    let task = 0
    for (let p = 0; p < planes; p++) {
      const x = Math.min(p * tile[0], last[0])
      for (let b = 0; b < bands; b++) {
        const y = Math.min(b * tile[1], last[1])
        for (let t = 0; t < tiles; t++, task++) {
          if (!voxels || anyLive(voxels, n, x, y, Math.min(t * tile[2], last[2]), tile)) own[live++] = task
        }
      }
    }
    for (let block = n * blocks; block < (n + 1) * blocks; block++) {
      for (let k = 0; k < live; k++) list[++count] = block * perBlock + own[k]!
    }
  }
  list[0] = count
  return list
}

function anyLive(
  { size, flags }: LiveVoxels,
  n: number,
  x0: number,
  y0: number,
  z0: number,
  tile: readonly [number, number, number],
): boolean {
  const [, d, h, w] = size as [number, number, number, number]
  const [endX, endY, endZ] = [Math.min(d, x0 + tile[0]), Math.min(h, y0 + tile[1]), Math.min(w, z0 + tile[2])]
  for (let x = x0; x < endX; x++) {
    for (let y = y0; y < endY; y++) {
      const row = ((n * d + x) * h + y) * w
      for (let z = row + z0; z < row + endZ; z++) if (flags[z] === 1) return true
    }
  }
  return false
}
