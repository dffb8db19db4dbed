/**
 * From nodes to steps: each node is lowered to dispatches, and elementwise nodes ride on the kernel that makes their
 * input, as pieces in its `epilogue` slot, when nobody else reads that input.
 */
import { segmentCount } from './kernel.ts'
import { hasEpilogue } from './source.ts'
import {
  bytesOf,
  type Choice,
  type Dispatch,
  type LowerContext,
  type Node,
  type Piece,
  scratchTensor,
  storageOf,
  type Tensor,
} from './tensor.ts'

/** The dispatches of one node, or of a node and the elementwise nodes fused onto it. */
export interface Step {
  /** The last of its nodes: the one whose output the step leaves in memory. */
  readonly node: Node
  /** All of its nodes, in order. */
  readonly nodes: readonly Node[]
  readonly dispatches: readonly Dispatch[]
  /** Temporaries used by these dispatches only. */
  readonly scratch: readonly Tensor[]
  /** Kernels that could have been lowered in another way. */
  readonly choices: readonly Choice[]
}

export interface FuseOptions {
  readonly limits: GPUSupportedLimits
  readonly software: boolean
  readonly runs: number
  readonly maxBinding: number
  /** Tensors that must exist in memory because somebody outside reads them. */
  readonly kept: ReadonlySet<Tensor>
  /** False: every elementwise node runs as a kernel of its own (the reference for tests and benchmarks). */
  readonly fuse: boolean
  /** Which variant of a kernel to take; undefined: the preferred one. */
  readonly variant?: (choice: Choice) => string | undefined
}

/** Lowers nodes (in topological order) to steps, fusing where that saves a pass over memory. */
export function lowerAndFuse(nodes: readonly Node[], options: FuseOptions): Step[] {
  const readers = new Map<Tensor, number>()
  const computed = nodes.filter((n) => !n.operation.view)
  for (const n of computed) for (const t of new Set(n.inputs.map(storageOf))) readers.set(t, (readers.get(t) ?? 0) + 1)
  const steps = new Map<Node, Step>()
  for (const node of computed) {
    const fused = options.fuse
      ? (fuseOnto(node, steps, readers, options) ?? fuseOver(node, steps, readers, options))
      : undefined
    if (fused) {
      steps.delete(storageOf(node.inputs[0]!).node!)
      steps.set(node, fused)
    } else if (!options.fuse || !joinStep(node, steps, options)) {
      steps.set(node, lowerNode(node, options))
    }
  }
  return [...steps.values()]
}

function lowerNode(node: Node, options: FuseOptions): Step {
  return lowering(options, (context) => node.operation.lower(node, context), [node])!
}

/** A step of what `lower` returns, with the temporaries and choices it asked for. */
function lowering(
  { limits, software, runs, variant }: FuseOptions,
  lower: (context: LowerContext) => Dispatch[] | undefined,
  nodes: readonly Node[],
): Step | undefined {
  const scratch: Tensor[] = []
  const choices: Choice[] = []
  const context: LowerContext = {
    limits,
    software,
    runs,
    scratch(shape, dtype = 'f32', exact = false) {
      const t = scratchTensor(shape, dtype, exact)
      scratch.push(t)
      return t
    },
    choose(name, key, variants, preferred) {
      const choice = { name, key, variants: Object.keys(variants), preferred }
      choices.push(choice)
      const wish = variant?.(choice)
      return variants[wish !== undefined && wish in variants ? wish : preferred]!()
    },
  }
  const dispatches = lower(context)?.map(onStorage)
  return dispatches && { node: nodes.at(-1)!, nodes, dispatches, scratch, choices }
}

/** The step that makes the node's first input, where nobody else wants that input. */
function onlyProducer(
  node: Node,
  steps: ReadonlyMap<Node, Step>,
  readers: ReadonlyMap<Tensor, number>,
  kept: ReadonlySet<Tensor>,
): { source: Tensor; producer: Step } | undefined {
  const source = node.inputs[0] && storageOf(node.inputs[0])
  const producer = source?.node && steps.get(source.node)
  if (!source || !producer || readers.get(source) !== 1 || kept.has(source)) return undefined
  return mustStayBefore(producer, source, steps) ? undefined : { source, producer }
}

/** A step that does the work of the node and of its producer's step at once, where the operation knows how. */
function fuseOver(
  node: Node,
  steps: ReadonlyMap<Node, Step>,
  readers: ReadonlyMap<Tensor, number>,
  options: FuseOptions,
): Step | undefined {
  const { over } = node.operation
  const found = over && onlyProducer(node, steps, readers, options.kept)
  if (!found || node.inputs.slice(1).some((t) => storageOf(t) === found.source)) return undefined
  const { nodes } = found.producer
  const step = lowering(options, (context) => over!(node, nodes, context), [...nodes, node])
  const fits = (d: Dispatch) => countBindings(d, options.maxBinding) <= options.limits.maxStorageBuffersPerShaderStage
  return step?.dispatches.every(fits) ? step : undefined
}

/** Lets a step that is there already compute the node as well, where the operation knows how; true where one does. */
function joinStep(node: Node, steps: Map<Node, Step>, options: FuseOptions): boolean {
  const { join } = node.operation
  if (!join) return false
  for (const [key, step] of steps) {
    const dispatches = join(node, step)?.map(onStorage)
    const fits = (d: Dispatch) => countBindings(d, options.maxBinding) <= options.limits.maxStorageBuffersPerShaderStage
    if (!dispatches?.every(fits)) continue
    steps.set(key, { ...step, nodes: [...step.nodes, node], dispatches })
    return true
  }
  return false
}

/** The producer's step with this node's piece appended, or undefined where that is not possible. */
function fuseOnto(
  node: Node,
  steps: ReadonlyMap<Node, Step>,
  readers: ReadonlyMap<Tensor, number>,
  options: FuseOptions,
): Step | undefined {
  const own = node.operation.piece?.(node)
  const found = own && onlyProducer(node, steps, readers, options.kept)
  if (!found) return undefined
  const { source, producer } = found
  const piece = pieceOnStorage(own)
  const last = producer.dispatches.at(-1)
  if (!last || last.bind.y !== source || !hasEpilogue(last.kernel)) return undefined
  // The producer must not be read by its own epilogue through another operand (that value does not exist yet).
  if (Object.values(piece.bind ?? {}).includes(source)) return undefined
  const output = node.outputs[0]!
  const merged: Dispatch = { ...last, bind: { ...last.bind, y: output }, epilogue: [...(last.epilogue ?? []), piece] }
  if (countBindings(merged, options.maxBinding) > options.limits.maxStorageBuffersPerShaderStage) return undefined
  const dispatches = [...producer.dispatches.slice(0, -1), merged]
  return { ...producer, node, nodes: [...producer.nodes, node], dispatches }
}

/**
 * A fused step runs where its last node stands. True when a step between there and here reads another output of the
 * producer, or changes a leaf that the producer reads.
 */
function mustStayBefore(producer: Step, source: Tensor, steps: ReadonlyMap<Node, Step>): boolean {
  const read = new Set(producer.dispatches.flatMap(operandsOf))
  const written = new Set(producer.nodes.flatMap((n) => n.outputs).filter((t) => t !== source))
  const order = [...steps.values()]
  return order.slice(order.indexOf(producer) + 1).some((step) => {
    const changes = step.nodes.some((n) => n.operation.effect)
    return step.dispatches.flatMap(operandsOf).some((t) => written.has(t) || (changes && t.leaf && read.has(t)))
  })
}

/** Storage bindings of a dispatch; large operands take several. */
export function countBindings(dispatch: Dispatch, maxBinding: number): number {
  return operandsOf(dispatch).reduce((n, t) => n + segmentCount(bytesOf(t), maxBinding), 0)
}

const toStorage = (bind: Readonly<Record<string, Tensor>> = {}): Record<string, Tensor> =>
  Object.fromEntries(Object.entries(bind).map(([name, t]) => [name, storageOf(t)]))

function pieceOnStorage(piece: Piece): Piece {
  return { ...piece, bind: toStorage(piece.bind) }
}

/** The dispatch with every view replaced by the tensor that holds its values. */
function onStorage(dispatch: Dispatch): Dispatch {
  return { ...dispatch, bind: toStorage(dispatch.bind), epilogue: (dispatch.epilogue ?? []).map(pieceOnStorage) }
}

/** Every operand of a dispatch, pieces included. */
export function operandsOf(dispatch: Dispatch): Tensor[] {
  return [...Object.values(dispatch.bind), ...(dispatch.epilogue ?? []).flatMap((p) => Object.values(p.bind ?? {}))]
}
