/**
 * Canonisation: a batch norm (or any scale and shift by channel) is merged into a linear layer, the one before it where
 * there is one, else those after it. Relevance then passes the batch norm unchanged. Merged weights are nodes of the graph,
 * so that a program with frozen weights computes them once.
 *
 * Backwards, y = (A(x, w) + b) g + t becomes A(x, w g) + (b g + t). Forwards, A(x g + t, w) + b becomes
 * A(x, w g) + (b + A(t, w)): where A pads with zeros, A(t, w) differs from voxel to voxel, so the bias is a map. On the way
 * to A there may be max-pools (winners are those of x g + t, so a negative g makes it a minimum of x), flattening and
 * concatenation.
 */
import { broadcastTo } from '../../engine/ops/broadcast.ts'
import type { ConvGeometry } from '../../engine/ops/conv.ts'
import type { MatmulOptions } from '../../engine/ops/dense.ts'
import { add, fill, multiply } from '../../engine/ops/elementwise.ts'
import { concat, reshape } from '../../engine/ops/shape.ts'
import { type Node, type Shape, sizeOf, type Tensor } from '../../engine/tensor.ts'
import { forward, LINEAR_OPERATIONS, type Linear } from './linear.ts'
import { pick } from './operations.ts'
import { isNonNegative, type Paths, poolsZeros } from './paths.ts'

/** x scale + shift by channel; vectors of C values. */
interface Affine {
  readonly x: Tensor
  readonly scale: Tensor
  readonly shift: Tensor
}

const AFFINE = ['channel_affine', 'affine']

/** A node that scales and shifts by channel, as such. */
export function affineOf(node: Node): Affine | undefined {
  const [x, scale, shift] = node.inputs as [Tensor, Tensor, Tensor]
  if (node.operation.name === 'channel_affine') return { x, scale, shift }
  if (node.operation.name !== 'affine') return undefined
  const { FACTOR, OFFSET } = node.attributes as { FACTOR: number; OFFSET: number }
  const vector = (value: number) => fill([x.shape[1] ?? 1], value)
  return { x, scale: vector(FACTOR), shift: vector(OFFSET) }
}

/** True where everything that reads t is a linear layer, or leads to nothing else without changing single values. */
function leadsToLinear(t: Tensor, paths: Paths): boolean {
  const readers = paths.readers(t)
  return (
    readers.length > 0 &&
    readers.every((node) => {
      const { name } = node.operation
      if (LINEAR_OPERATIONS.includes(name)) return true
      const goesOn =
        AFFINE.includes(name) ||
        (name === 'max_pool3d' && !poolsZeros(node)) ||
        (name === 'concat' && (node.attributes as { axis: number }).axis === 1) ||
        (name === 'reshape' && keepsChannels(t.shape, node.outputs[0]!.shape) !== undefined)
      return goesOn && leadsToLinear(node.outputs[0]!, paths)
    })
  )
}

/** Features that each channel becomes when [N, C, ...] is reshaped to [N, C'...]; undefined where channels get mixed. */
function keepsChannels(before: Shape, after: Shape): number | undefined {
  if (before[0] !== after[0]) return undefined
  if (before[1] === after[1]) return 1
  const inner = sizeOf(before.slice(2))
  return after.length === 2 && after[1] === before[1]! * inner ? inner : undefined
}

function repeat(vector: Tensor, times: number): Tensor {
  const count = sizeOf(vector.shape)
  return times === 1 ? vector : reshape(broadcastTo(reshape(vector, [count, 1]), [count, times]), [count * times])
}

/** Canonisation of a network's graph. */
export interface Canonical {
  /** The linear layers, batch norms merged into them, by the node of their operation. */
  readonly linear: ReadonlyMap<Node, Linear>
  /** Nodes that are part of one: biases and merged batch norms. */
  readonly merged: ReadonlySet<Node>
}

/**
 * Finds linear layers and what merges into them.
 * @param merge which nodes that scale and shift may be merged: into a layer before, or into those after
 */
export function canonise(paths: Paths, merge: { readonly before: boolean; readonly after: boolean }): Canonical {
  const merged = new Set<Node>()
  const linear = new Map<Node, Linear>()
  const found = paths.nodes.filter((n) => LINEAR_OPERATIONS.includes(n.operation.name) && !paths.has(n.inputs[1]!))
  const backwards = found.map((node) => mergeBackwards(node, paths, merge.before))
  for (const { nodes } of backwards) for (const node of nodes) merged.add(node)
  if (merge.after) {
    for (const node of paths.nodes) {
      if (affineOf(node) && !merged.has(node) && leadsToLinear(node.outputs[0]!, paths)) merged.add(node)
    }
  }
  const resolve = (t: Tensor): Affine | undefined => resolveAffine(t, merged, resolve)
  found.forEach((node, k) => {
    const { z, bias, scale } = backwards[k]!
    const [x, own] = node.inputs as [Tensor, Tensor]
    const w = scale ? scaled(own, outputView(node), scale) : own
    const before = resolve(x)
    linear.set(
      node,
      before ? mergeForwards(node, w, bias, z, before) : { node, x, nonNegative: isNonNegative(x), w, bias, z },
    )
  })
  return { linear, merged }
}

/** The bias after a linear node, and the scale and shift that nobody else's business lies before. */
function mergeBackwards(node: Node, { readers }: Paths, merge: boolean) {
  const nodes: Node[] = []
  let z = node.outputs[0]!
  let bias: Tensor | undefined
  let scale: Tensor | undefined
  for (;;) {
    const [next, ...others] = readers(z)
    if (next === undefined || others.length > 0 || next.inputs[0] !== z) break
    const shift = next.operation.name === 'channel_shift'
    const change = shift ? { scale: undefined, shift: next.inputs[1]! } : merge ? affineOf(next) : undefined
    if (change === undefined) break
    const times = (v: Tensor | undefined) => (v && change.scale ? multiply(v, like(change.scale, v)) : v)
    const before = times(bias)
    bias = before ? add(before, like(change.shift, before)) : change.shift
    scale = scale ? times(scale) : change.scale
    z = next.outputs[0]!
    nodes.push(next)
  }
  return { nodes, z, bias: bias && reshape(bias, [sizeOf(bias.shape)]), scale }
}

const like = (vector: Tensor, other: Tensor): Tensor => reshape(vector, other.shape)

function mergeForwards(
  node: Node,
  w: Tensor,
  bias: Tensor | undefined,
  z: Tensor,
  { x, scale, shift }: Affine,
): Linear {
  const dense = node.operation.name === 'matmul'
  const [n, c, ...rest] = node.inputs[0]!.shape as [number, number, ...number[]]
  const shape = [dense ? 1 : n, c, ...rest]
  const shifts = broadcastTo(reshape(shift, [1, c, ...rest.map(() => 1)]), shape)
  const map = forward(node, shifts, w)
  const added = dense ? reshape(map, [map.shape[1]!]) : map
  const vector = bias && reshape(bias, [1, sizeOf(bias.shape), ...rest.map(() => 1)])
  const whole = vector ? add(added, dense ? reshape(vector, added.shape) : vector) : added
  return { node, x, nonNegative: isNonNegative(x), w: scaled(w, inputView(node), scale), bias: whole, z }
}

/** t as a scale and shift of something before the merged nodes. */
function resolveAffine(
  t: Tensor,
  merged: ReadonlySet<Node>,
  resolve: (t: Tensor) => Affine | undefined,
): Affine | undefined {
  const { node } = t
  if (node === undefined) return undefined
  const own = merged.has(node) ? affineOf(node) : undefined
  if (own) {
    // One that was merged into a linear layer before it is that layer's output, and no affine function of what it reads.
    if (endsLinear(own.x, merged)) return undefined
    const before = resolve(own.x)
    if (!before) return own
    const scale = multiply(own.scale, like(before.scale, own.scale))
    return { x: before.x, scale, shift: add(multiply(own.scale, like(before.shift, own.scale)), own.shift) }
  }
  if (node.operation.name === 'max_pool3d' && !poolsZeros(node)) {
    const before = resolve(node.inputs[0]!)
    return before && { ...before, x: pick(node, before.x) }
  }
  if (node.operation.name === 'reshape') {
    const before = resolve(node.inputs[0]!)
    const times = keepsChannels(node.inputs[0]!.shape, t.shape)
    if (!before || times === undefined) return undefined
    return { x: reshape(before.x, t.shape), scale: repeat(before.scale, times), shift: repeat(before.shift, times) }
  }
  if (node.operation.name === 'concat' && (node.attributes as { axis: number }).axis === 1) {
    const parts = node.inputs.map(resolve)
    if (parts.every((p) => p === undefined)) return undefined
    const vector = (part: Tensor | undefined, k: number, value: number) => {
      const count = node.inputs[k]!.shape[1]!
      return part ? reshape(part, [count]) : fill([count], value)
    }
    return {
      x: concat(
        parts.map((p, k) => p?.x ?? node.inputs[k]!),
        1,
      ),
      scale: concat(
        parts.map((p, k) => vector(p?.scale, k, 1)),
        0,
      ),
      shift: concat(
        parts.map((p, k) => vector(p?.shift, k, 0)),
        0,
      ),
    }
  }
  return undefined
}

/** True where a chain of merged nodes begins at a linear one. */
function endsLinear(t: Tensor, merged: ReadonlySet<Node>): boolean {
  const { node } = t
  if (node === undefined) return false
  if (LINEAR_OPERATIONS.includes(node.operation.name)) return true
  return merged.has(node) && endsLinear(node.inputs[0]!, merged)
}

/** Shape in which weights show the axis of a vector by channel, and the vector's shape there. */
interface View {
  readonly weights: Shape
  readonly vector: Shape
}

const groupsOf = (node: Node): number => (node.attributes as { geometry: ConvGeometry }).geometry.groups

function inputView(node: Node): View {
  const [a, b, ...kernel] = node.inputs[1]!.shape as [number, number, ...number[]]
  const taps = sizeOf(kernel)
  if (node.operation.name === 'conv3d') {
    const groups = groupsOf(node)
    return { weights: [groups, a / groups, b, taps], vector: [groups, 1, b, 1] }
  }
  const rows = node.operation.name === 'conv_transpose3d' || !(node.attributes as MatmulOptions).transposeB
  return rows ? { weights: [a, b * taps], vector: [a, 1] } : { weights: [a, b], vector: [1, b] }
}

function outputView(node: Node): View {
  const [a, b, ...kernel] = node.inputs[1]!.shape as [number, number, ...number[]]
  const taps = sizeOf(kernel)
  if (node.operation.name === 'conv_transpose3d') {
    const groups = groupsOf(node)
    return { weights: [groups, a / groups, b, taps], vector: [groups, 1, b, 1] }
  }
  const rows = node.operation.name === 'conv3d' || (node.attributes as MatmulOptions).transposeB
  return rows ? { weights: [a, b * taps], vector: [a, 1] } : { weights: [a, b], vector: [1, b] }
}

function scaled(w: Tensor, view: View, scale: Tensor): Tensor {
  return reshape(multiply(reshape(w, view.weights), reshape(scale, view.vector)), w.shape)
}
