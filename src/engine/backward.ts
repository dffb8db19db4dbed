/**
 * Backward: one walk over the graph, from the outputs to the inputs, with an exchangeable rule book.
 * Autograd's rules give gradients; other books (guided backpropagation, LRP) give relevance with the same walk.
 */
import { requireShape, ShapeError } from './errors.ts'
import { gradientRules, type Rule } from './gradients/index.ts'
import { markGradient } from './gradients/origin.ts'
import { add, fill } from './ops/elementwise.ts'
import { formatShape, type Node, sizeOf, type Tensor } from './tensor.ts'

/** How a node passes what arrived at its outputs on to its inputs; undefined: by its gradient rule. */
export type RuleBook = (node: Node) => Rule | undefined

/**
 * Gradients of `output` with respect to each tensor of `wrt`, as new symbolic tensors of the same shapes.
 * @param output a scalar (one element), unless `seed` is given.
 * @param wrt leaves or intermediate tensors; one that `output` does not depend on gets zeros.
 * @param options.rules how nodes pass on what arrives; default: gradients.
 * @param options.seed what arrives at `output`, same shape; default: one.
 * @throws ShapeError when output is not a scalar and has no seed, or an operation on the way has no gradient.
 */
export function backward(
  output: Tensor,
  wrt: readonly Tensor[],
  options: { rules?: RuleBook; seed?: Tensor } = {},
): Tensor[] {
  const { rules, seed } = options
  requireShape(
    seed !== undefined || sizeOf(output.shape) === 1,
    `backward needs a scalar or a seed, got a tensor of ${formatShape(output.shape)}`,
  )
  requireShape(
    seed === undefined || formatShape(seed.shape) === formatShape(output.shape),
    `backward: the seed's shape ${seed && formatShape(seed.shape)} is not the output's ${formatShape(output.shape)}`,
  )
  const needed = dependents(output, new Set(wrt))
  const arriving = new Map<Tensor, Tensor>([[output, seed ?? fill(output.shape, 1)]])
  const nodes = [...needed].sort((a, b) => b.id - a.id)
  const wrtSet = new Set(wrt)
  for (const node of nodes) {
    const gradients = node.outputs.map((t) => arriving.get(t))
    if (gradients.every((g) => g === undefined)) continue
    const wanted = node.inputs.map((t) => wrtSet.has(t) || (t.node !== undefined && needed.has(t.node)))
    const rule = rules?.(node) ?? gradientRules[node.operation.name] ?? node.operation.gradient
    if (rule === undefined) throw new ShapeError(`${node.operation.name} has no gradient`)
    const passed = rule(node, gradients, wanted)
    node.inputs.forEach((t, i) => {
      const g = wanted[i] ? passed[i] : undefined
      if (g === undefined) return
      requireShape(
        formatShape(g.shape) === formatShape(t.shape),
        `${node.operation.name}: gradient of input ${i} is ${formatShape(g.shape)}, expected ${formatShape(t.shape)}`,
      )
      const before = arriving.get(t)
      arriving.set(t, markGradient(before === undefined ? g : add(g, before), t))
    })
  }
  return wrt.map((t) => arriving.get(t) ?? fill(t.shape, 0))
}

/** Nodes on a path from one of `from` to `output`. */
function dependents(output: Tensor, from: ReadonlySet<Tensor>): Set<Node> {
  const seen = new Map<Node, boolean>()
  const order = reachable([output])
  for (const node of order) {
    seen.set(
      node,
      node.inputs.some((t) => from.has(t) || (t.node !== undefined && seen.get(t.node) === true)),
    )
  }
  return new Set(order.filter((n) => seen.get(n)))
}

/** Every node that the tensors depend on (and the given nodes), in topological order. */
export function reachable(tensors: readonly Tensor[], effects: readonly Node[] = []): Node[] {
  const found = new Set<Node>()
  const stack: Node[] = [...effects, ...tensors.flatMap((t) => (t.node ? [t.node] : []))]
  while (stack.length > 0) {
    const node = stack.pop()!
    if (found.has(node)) continue
    found.add(node)
    for (const t of node.inputs) if (t.node && !found.has(t.node)) stack.push(t.node)
  }
  return [...found].sort((a, b) => a.id - b.id)
}
