/**
 * From nodes to steps: each node is lowered to dispatches, and elementwise nodes ride on the kernel that makes their
 * input, as pieces in its `epilogue` slot, when nobody else reads that input.
 */
import { hasEpilogue } from './source.ts'
import { type Dispatch, type LowerContext, type Node, type Piece, scratchTensor, storageOf, type Tensor } from './tensor.ts'

/** The dispatches of one node, or of a node and the elementwise nodes fused onto it. */
export interface Step {
  readonly node: Node
  readonly dispatches: readonly Dispatch[]
  /** Temporaries used by these dispatches only. */
  readonly scratch: readonly Tensor[]
}

export interface FuseOptions {
  readonly limits: GPUSupportedLimits
  readonly maxBinding: number
  /** Tensors that must exist in memory because somebody outside reads them. */
  readonly kept: ReadonlySet<Tensor>
  /** False: every elementwise node runs as a kernel of its own (the reference for tests and benchmarks). */
  readonly fuse: boolean
}

/** Lowers nodes (in topological order) to steps, fusing where that saves a pass over memory. */
export function lowerAndFuse(nodes: readonly Node[], options: FuseOptions): Step[] {
  const readers = new Map<Tensor, number>()
  const computed = nodes.filter((n) => !n.operation.view)
  for (const n of computed) for (const t of new Set(n.inputs.map(storageOf))) readers.set(t, (readers.get(t) ?? 0) + 1)
  const steps = new Map<Node, Step>()
  for (const node of computed) {
    const fused = options.fuse ? fuseOnto(node, steps, readers, options) : undefined
    if (fused) {
      steps.delete(storageOf(node.inputs[0]!).node!)
      steps.set(node, fused)
    } else {
      steps.set(node, lowerNode(node, options.limits))
    }
  }
  return [...steps.values()]
}

function lowerNode(node: Node, limits: GPUSupportedLimits): Step {
  const scratch: Tensor[] = []
  const context: LowerContext = {
    limits,
    scratch(shape, dtype = 'f32') {
      const t = scratchTensor(shape, dtype)
      scratch.push(t)
      return t
    },
  }
  return { node, dispatches: node.operation.lower(node, context).map(onStorage), scratch }
}

/** The producer's step with this node's piece appended, or undefined where that is not possible. */
function fuseOnto(
  node: Node,
  steps: ReadonlyMap<Node, Step>,
  readers: ReadonlyMap<Tensor, number>,
  options: FuseOptions,
): Step | undefined {
  const own = node.operation.piece?.(node)
  const source = node.inputs[0] && storageOf(node.inputs[0])
  const producer = source?.node && steps.get(source.node)
  if (!own || !producer || !source || readers.get(source) !== 1 || options.kept.has(source)) return undefined
  const piece = pieceOnStorage(own)
  const last = producer.dispatches.at(-1)
  if (!last || last.bind.y !== source || !hasEpilogue(last.kernel)) return undefined
  // The producer must not be read by its own epilogue through another operand (that value does not exist yet).
  if (Object.values(piece.bind ?? {}).includes(source)) return undefined
  if (countBindings(last, piece, options.maxBinding) > options.limits.maxStorageBuffersPerShaderStage) return undefined
  const output = node.outputs[0]!
  const merged: Dispatch = { ...last, bind: { ...last.bind, y: output }, epilogue: [...(last.epilogue ?? []), piece] }
  return { node, dispatches: [...producer.dispatches.slice(0, -1), merged], scratch: producer.scratch }
}

function countBindings(dispatch: Dispatch, piece: Piece, maxBinding: number): number {
  const operands = [
    ...Object.values(dispatch.bind),
    ...(dispatch.epilogue ?? []).flatMap((p) => Object.values(p.bind ?? {})),
    ...Object.values(piece.bind ?? {}),
  ]
  const bytes = (t: Tensor) => t.shape.reduce((a, b) => a * b, 4)
  return operands.reduce((n, t) => n + Math.ceil(bytes(t) / maxBinding), 0)
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
