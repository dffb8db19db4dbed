/** What lies between a network's input and its logits: nodes, who reads what, and the layer that each node belongs to. */
import { reachable } from '../../engine/backward.ts'
import type { PoolAttributes } from '../../engine/ops/pool.ts'
import type { Node, Tensor } from '../../engine/tensor.ts'
import type { BuiltNetwork } from '../../model/build.ts'
import type { Layer } from '../../model/layer.ts'

export interface Paths {
  /** Nodes whose values depend on the input and reach the logits, in order. */
  readonly nodes: readonly Node[]
  /** True for tensors that depend on the input. */
  readonly has: (t: Tensor) => boolean
  /** Which of the nodes read a tensor. */
  readonly readers: (t: Tensor) => readonly Node[]
  /** The layer that a node was built for. */
  readonly layerOf: (node: Node) => Layer
}

/** Finds them, for a network that was built from these layers. */
export function findPaths({ input, logits, layers: tensors }: BuiltNetwork, layers: readonly Layer[]): Paths {
  const has = (t: Tensor): boolean => t === input || (t.node !== undefined && found.has(t.node))
  const found = new Set<Node>()
  for (const node of reachable([logits])) if (node.inputs.some(has)) found.add(node)
  const readers = new Map<Tensor, Node[]>()
  for (const node of found) {
    for (const t of new Set(node.inputs)) if (has(t)) readers.set(t, [...(readers.get(t) ?? []), node])
  }
  const owners = new Map<Node, Layer>()
  const ends = new Set([input, ...tensors.values()])
  for (const layer of layers) {
    const open = [tensors.get(layer.name)!.node]
    while (open.length > 0) {
      const node = open.pop()
      if (!node || owners.has(node)) continue
      owners.set(node, layer)
      open.push(...node.inputs.flatMap((t) => (ends.has(t) ? [] : [t.node])))
    }
  }
  return {
    nodes: [...found],
    has,
    readers: (t) => readers.get(t) ?? [],
    layerOf: (node) => owners.get(node)!,
  }
}

const KEEP_SIGN = ['max_pool3d', 'avg_pool3d', 'reshape', 'transpose', 'slice', 'concat', 'add', 'pick', 'broadcast']

/** True where a tensor of the graph is certainly not negative: after a ReLU and what keeps signs. */
export function isNonNegative(t: Tensor): boolean {
  const { node } = t
  if (node === undefined) return false
  const { name } = node.operation
  if (name === 'relu' || name === 'sigmoid' || name === 'softplus') return true
  if (name === 'clamp') return (node.attributes as { LOW: number }).LOW >= 0
  return KEEP_SIGN.includes(name) && node.inputs.every((x) => x.dtype === 'u32' || isNonNegative(x))
}

/** True where a max-pool may put out a zero of its padding. */
export function poolsZeros(pool: Node): boolean {
  const { padValue, front, back } = pool.attributes as unknown as PoolAttributes
  return padValue === 'zero' && [...front, ...back].some((n) => n > 0)
}
