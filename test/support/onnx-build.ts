/** Small ONNX models for tests, built from nodes. */
import {
  type AttributeValue,
  block,
  integer,
  join,
  nodeProto,
  type Pieces,
  tensorProto,
  valueInfoProto,
} from '../../src/model/formats/onnx-write.ts'

export interface NodeSpec {
  op: string
  in: string[]
  out: string | string[]
  with?: Record<string, AttributeValue>
  name?: string
}

export interface ModelSpec {
  nodes: NodeSpec[]
  /** Shape of 'x', or of several inputs. A text is an open size. */
  input?: (number | string)[] | Record<string, (number | string)[]>
  output?: string[]
  /** Arrays by name: floats, or integers as bigints. */
  tensors?: Record<string, { shape: number[]; data: Float32Array | BigInt64Array }>
  /** TensorProtos as they are. */
  rawTensors?: Pieces[]
  opset?: number
}

export const floats = (shape: number[], data: Iterable<number>) => ({ shape, data: Float32Array.from(data) })
export const integers = (...data: number[]) => ({ shape: [data.length], data: BigInt64Array.from(data, BigInt) })

export function buildOnnx(spec: ModelSpec): Uint8Array {
  const { nodes, input = [1, 2, 3, 3, 3], output = ['y'], tensors = {}, rawTensors = [], opset = 18 } = spec
  const inputs = Array.isArray(input) ? { x: input } : input
  const graph = [
    ...nodes.flatMap((n, k) =>
      block(1, nodeProto(n.op, n.name ?? `n${k}`, n.in, typeof n.out === 'string' ? [n.out] : n.out, n.with ?? {})),
    ),
    ...block(2, 'test'),
    ...Object.entries(tensors).flatMap(([name, t]) => block(5, tensorProto(name, t.shape, t.data))),
    ...rawTensors.flatMap((t) => block(5, t)),
    ...Object.entries(inputs).flatMap(([name, shape]) => block(11, valueInfoProto(name, shape))),
    ...output.flatMap((name) => block(12, valueInfoProto(name, []))),
  ]
  return join([...integer(1, 8), ...block(7, graph), ...block(8, [...block(1, ''), ...integer(2, opset)])])
}
