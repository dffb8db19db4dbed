/**
 * The symbolic graph: tensors and the nodes that produce them. Nothing here touches a GPU.
 * Tensors are created in order and numbered, so sorting nodes by number is a topological order.
 */
import { requireShape } from './errors.ts'

export type Shape = readonly number[]
export type DType = 'f32' | 'u32'

/** A symbolic array of a fixed shape, row-major, last axis fastest. Volumes are [N, C, D, H, W]. */
export interface Tensor {
  readonly shape: Shape
  readonly dtype: DType
  /** The node that computes it; leaves (inputs, parameters, constants) have none. */
  readonly node: Node | undefined
  readonly leaf: Leaf | undefined
  readonly id: number
  /** True for partial sums and the like, which are stored as f32 whatever the program's precision. */
  readonly exact?: boolean
}

/** Where a leaf's values come from. An input is written by the host for each run; a parameter lives on the GPU and is
 *  shared by all programs that use it; a state is a parameter that is never taken for frozen; a constant never changes. */
export interface Leaf {
  readonly kind: 'input' | 'parameter' | 'state' | 'constant'
  readonly label: string
  /** Initial values of parameters and constants. */
  readonly data: Float32Array | Uint32Array | undefined
}

/** One application of an operation. */
export interface Node {
  readonly operation: Operation
  readonly inputs: readonly Tensor[]
  readonly outputs: readonly Tensor[]
  /** Whatever the operation needs to lower and differentiate itself. */
  readonly attributes: Readonly<Record<string, unknown>>
  readonly id: number
}

/** What an operation is to the engine. Its gradient is a rule under its name in gradients/, or its own. */
export interface Operation {
  readonly name: string
  /** Dispatches that compute the node's outputs from its inputs. */
  lower(node: Node, context: LowerContext): Dispatch[]
  /**
   * Dispatches that compute the node together with the one that makes its first input, whose own output then never
   * reaches memory; undefined where these nodes, shapes or this adapter do not allow it.
   * @param before the nodes of the step that makes the first input: one, and the elementwise ones that ride on it.
   */
  over?(node: Node, before: readonly Node[], context: LowerContext): Dispatch[] | undefined
  /**
   * The dispatches of a step that is planned already, changed so that they compute this node, too, from what they read
   * anyway; undefined where the step is not one that can.
   */
  join?(
    node: Node,
    step: { readonly nodes: readonly Node[]; readonly dispatches: readonly Dispatch[] },
  ): Dispatch[] | undefined
  /** Elementwise in its first input: may run inside the kernel that produces that input (see fuse.ts). */
  piece?(node: Node): Piece
  /** Its gradient rule (see gradients/rule.ts), where that is not in gradients/, so that not every program loads it. */
  gradient?(node: Node, arriving: readonly (Tensor | undefined)[], wanted: readonly boolean[]): (Tensor | undefined)[]
  /** Changes leaves in place (optimizer steps, running statistics); kept alive by naming it in compile's `effects`. */
  readonly effect?: boolean
  /** The output is the first input's values under another shape: no kernel runs and no memory is used. */
  readonly view?: boolean
}

/** A small WGSL function `apply(v: f32, i: u32) -> f32` that fills a slot of a kernel; i is the flat index. */
export interface Piece {
  /** Default `epilogue`: what is done to every element of the output. */
  readonly slot?: string
  /** File under shaders/, without extension. */
  readonly source: string
  readonly constants?: Constants
  /** Further operands by the piece's variable name. */
  readonly bind?: Readonly<Record<string, Tensor>>
}

export type Constants = Readonly<Record<string, number | readonly number[]>>

/** One kernel launch. */
export interface Dispatch {
  /** File under shaders/, without extension. */
  readonly kernel: string
  /** Values for the kernel's module-scope `const` declarations, by name. */
  readonly constants?: Constants
  /** Operands by the kernel's variable name. */
  readonly bind: Readonly<Record<string, Tensor>>
  /** Values for the fields of the kernel's uniform struct. Program.setUniforms changes them between runs. */
  readonly uniforms?: Readonly<Record<string, number | readonly number[]>>
  /** Pieces that fill the kernel's slots; those of one slot are applied in order. */
  readonly epilogue?: readonly Piece[]
  /** Workgroups along x, y, z. */
  readonly groups: readonly [number, number, number]
  /** Multiply-adds x 2 and the like, for the cost table. */
  readonly flops?: number
  /** What each thread makes, where threads may be left out (see live.ts): the kernel then takes their numbers from `tasks`. */
  readonly tasks?: TaskGrid
}

/**
 * Threads of a kernel as tiles of its output [N, C, D, H, W]: thread ((n blocks + block) X + x) Y + y) Z + z makes the tile
 * (x, y, z) of a block of channels. Tiles begin at index * tile, but not after `last`.
 */
export interface TaskGrid {
  readonly scans: number
  readonly blocks: number
  readonly size: readonly [number, number, number]
  readonly tile: readonly [number, number, number]
  readonly last: readonly [number, number, number]
}

/** One of several ways to run a node on this adapter. All of them give the same bits. */
export interface Choice {
  /** What is chosen, e.g. conv3d. */
  readonly name: string
  /** Everything the speed depends on: shapes and geometry. Choices with equal name and key are the same question. */
  readonly key: string
  readonly variants: readonly string[]
  /** What is taken when nobody has measured. */
  readonly preferred: string
}

export interface LowerContext {
  /**
   * A temporary tensor that lives only during this node's dispatches.
   * @param exact true for partial sums, which must be f32 also where large values are stored as f16.
   */
  scratch(shape: Shape, dtype?: DType, exact?: boolean): Tensor
  /**
   * Lowers by one of several variants: the one the compile options ask for, else the preferred one.
   * @param variants by name; only the chosen one is called.
   */
  choose(name: string, key: string, variants: Readonly<Record<string, () => Dispatch[]>>, preferred: string): Dispatch[]
  readonly limits: GPUSupportedLimits
  /** True on a CPU adapter, where loads cost more than arithmetic and other kernels win. */
  readonly software: boolean
  /** How often the program is expected to run: kernels that are run often may take longer to compile. */
  readonly runs: number
}

let count = 0

export function sizeOf(shape: Shape): number {
  return shape.reduce((a, b) => a * b, 1)
}

/** Bytes of a tensor of f32 or u32; see precision.ts for what a program stores in less. */
export function bytesOf(tensor: Tensor): number {
  return 4 * sizeOf(tensor.shape)
}

function checkShape(shape: Shape, what: string): void {
  requireShape(
    shape.every((d) => Number.isInteger(d) && d > 0),
    `${what}: every dimension must be a positive integer, got [${shape}]`,
  )
}

/** Applies an operation; returns the node, whose outputs are the new tensors. */
export function apply(
  operation: Operation,
  inputs: readonly Tensor[],
  outputs: readonly { shape: Shape; dtype?: DType }[],
  attributes: Readonly<Record<string, unknown>> = {},
): Node {
  const tensors: Tensor[] = []
  const node: Node = { operation, inputs, outputs: tensors, attributes, id: count++ }
  for (const { shape, dtype } of outputs) {
    checkShape(shape, operation.name)
    tensors.push({ shape, dtype: dtype ?? 'f32', node, leaf: undefined, id: count++ })
  }
  return node
}

function leaf(shape: Shape, kind: Leaf['kind'], label: string, data: Leaf['data'], dtype: DType): Tensor {
  checkShape(shape, label)
  requireShape(
    data === undefined || data.length === sizeOf(shape),
    `${label}: shape [${shape}] holds ${sizeOf(shape)} values, got ${data?.length}`,
  )
  return { shape, dtype, node: undefined, leaf: { kind, label, data }, id: count++ }
}

/** A tensor the host writes before a run: `program.write(x, values)`. Starts as zeros. */
export function input(shape: Shape, label = 'input', dtype: DType = 'f32'): Tensor {
  return leaf(shape, 'input', label, undefined, dtype)
}

/** A tensor that lives on the GPU across runs and programs (weights, optimizer state). Zeros where no data is given. */
export function parameter(shape: Shape, data?: Float32Array | Uint32Array, label = 'parameter'): Tensor {
  return leaf(shape, 'parameter', label, data, data instanceof Uint32Array ? 'u32' : 'f32')
}

/** A parameter that changes from run to run even where weights are frozen: masks, optimizer state, counters. */
export function state(shape: Shape, data?: Float32Array | Uint32Array, label = 'state'): Tensor {
  return leaf(shape, 'state', label, data, data instanceof Uint32Array ? 'u32' : 'f32')
}

/** A tensor that never changes; what depends on constants alone is computed once, at compile time. */
export function constant(shape: Shape, data: Float32Array | Uint32Array, label = 'constant'): Tensor {
  return leaf(shape, 'constant', label, data, data instanceof Uint32Array ? 'u32' : 'f32')
}

/** A scratch tensor for LowerContext; not part of the graph. */
export function scratchTensor(shape: Shape, dtype: DType, exact: boolean): Tensor {
  return { shape, dtype, node: undefined, leaf: undefined, id: count++, exact }
}

/** The tensor whose memory holds this tensor's values: itself, or what it is a view of. */
export function storageOf(tensor: Tensor): Tensor {
  let t = tensor
  while (t.node?.operation.view) t = t.node.inputs[0]!
  return t
}

/** Shape as people write it: 1x8x61x73x61. */
export function formatShape(shape: Shape): string {
  return shape.length === 0 ? 'scalar' : shape.join('x')
}
