/**
 * A convolution and the max-pool over it as one kernel, forward and back. At inference the full-size activation is not
 * needed by anybody: forward it stays in registers, and backward only the winners of the pool carry gradient.
 */
import { type Dispatch, type LowerContext, type Node, type Piece, type Shape, sizeOf, type Tensor } from '../tensor.ts'
import { problemKey, tiledPool, tiledUnpool } from './conv-hardware.ts'
import { type ConvGeometry, type ConvProblem, convProblem } from './conv-problem.ts'
import { canUnpool, type PoolWindows, rowsPool, rowsUnpool } from './conv-rows.ts'

/** Windows of a max-pool node, or undefined where they overlap or are dilated. */
export function windowsOf(pool: Node): PoolWindows | undefined {
  const { dilation, padValue, ...windows } = pool.attributes as unknown as PoolWindows & {
    dilation: readonly number[]
    padValue?: string
  }
  const apart = windows.stride.every((s, a) => windows.kernel[a]! <= s) && dilation.every((d) => d === 1)
  return apart ? { ...windows, zero: padValue === 'zero' } : undefined
}

/** Elementwise operations that never decrease, so that the largest of some values stays the largest. */
const RISING = new Set(['relu', 'leaky_relu', 'elu', 'sigmoid', 'tanh', 'clamp', 'channel_shift'])

/**
 * The piece of a rising operation for a tensor of another volume, or undefined: at the pooled size it does the same with
 * an eighth of the work.
 */
function pieceAt(node: Node, shape: Shape): Piece | undefined {
  const piece = RISING.has(node.operation.name) ? node.operation.piece?.(node) : undefined
  if (!piece?.constants || !('INNER' in piece.constants)) return piece
  return { ...piece, constants: { ...piece.constants, INNER: sizeOf(shape.slice(2)) } }
}

/** Dispatches for a max-pool together with the convolution that makes its input, and what lies between (see Operation.over). */
export function poolOver(pool: Node, before: readonly Node[], context: LowerContext): Dispatch[] | undefined {
  const [conv, ...between] = before
  const windows = windowsOf(pool)
  if (conv?.operation.name !== 'conv3d' || !windows || pool.inputs[0] !== before.at(-1)!.outputs[0]) return undefined
  const [y, index] = pool.outputs as [Tensor, Tensor]
  const stage = between.map((node) => pieceAt(node, y.shape))
  if (stage.includes(undefined)) return undefined
  const [x, w] = conv.inputs as [Tensor, Tensor]
  const { geometry } = conv.attributes as { geometry: ConvGeometry }
  const problem = convProblem(x, w, conv.outputs[0]!, geometry, false)
  const inRows = () => rowsPool(problem, windows, y, index, stage as Piece[], context)
  const inTiles = context.software ? undefined : tiledPool(problem, windows, y, index, stage as Piece[])
  return either('conv3d_pool', problem, windows, inRows, inTiles, context)
}

/** Dispatches for a transposed convolution of the gradient of a max-pool's input (see Operation.over). */
export function unpoolOver(node: Node, before: readonly Node[], context: LowerContext): Dispatch[] | undefined {
  const [gradient] = before
  if (before.length !== 1 || gradient?.operation.name !== 'max_pool3d_gradient') return undefined
  const [dy, index] = gradient.inputs as [Tensor, Tensor]
  const windows = windowsOf((gradient.attributes as { pool: Node }).pool)
  const [x, w] = node.inputs as [Tensor, Tensor]
  if (!windows || x !== gradient.outputs[0]) return undefined
  const { geometry } = node.attributes as { geometry: ConvGeometry }
  const problem = convProblem(x, w, node.outputs[0]!, geometry, true)
  if (!canUnpool(problem, windows)) return undefined
  const inRows = () => rowsUnpool(problem, windows, dy, index, context)
  const inTiles = context.software ? undefined : tiledUnpool(problem, windows, dy, index)
  return either('conv3d_unpool', problem, windows, inRows, inTiles, context)
}

/** Tiles in workgroup memory where they fit and the adapter is hardware; rows everywhere. */
function either(
  name: string,
  problem: ConvProblem,
  { kernel, stride, front }: PoolWindows,
  rows: () => Dispatch[],
  tiles: Dispatch[] | undefined,
  context: LowerContext,
): Dispatch[] {
  const key = `${problemKey(problem)} ${[kernel, stride, front].map((t) => t.join('x')).join(' ')}`
  return context.choose(name, key, tiles ? { tiles: () => tiles, rows } : { rows }, tiles ? 'tiles' : 'rows')
}
