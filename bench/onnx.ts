/**
 * ONNX models of our own making, as protobuf bytes: just what onnxruntime needs to load a graph. Field numbers are those of
 * onnx.proto (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto).
 */

/** An attribute's value: whole numbers, one or a list. */
type Attribute = number | readonly number[]

export interface OnnxNode {
  readonly operator: string
  readonly inputs: readonly string[]
  readonly output: string
  readonly attributes?: Readonly<Record<string, Attribute>>
}

export interface OnnxTensor {
  readonly shape: readonly number[]
  readonly data: Float32Array | BigInt64Array
}

export interface OnnxGraph {
  /** In order of execution. */
  readonly nodes: readonly OnnxNode[]
  /** Shapes by name; all float32. */
  readonly inputs: Readonly<Record<string, readonly number[]>>
  readonly outputs: Readonly<Record<string, readonly number[]>>
  readonly weights: Readonly<Record<string, OnnxTensor>>
}

const IR_VERSION = 8
const OPSET = 17
const FLOAT = 1
const INT64 = 7
const ATTRIBUTE_INT = 2
const ATTRIBUTE_INTS = 7

type Bytes = readonly Uint8Array[]

/** A ModelProto. */
export function onnxModel({ nodes, inputs, outputs, weights }: OnnxGraph): Uint8Array {
  const graph = [
    ...nodes.flatMap((node) => field(1, nodeProto(node))),
    ...field(2, utf8('bench')),
    ...Object.entries(weights).flatMap(([name, tensor]) => field(5, tensorProto(name, tensor))),
    ...Object.entries(inputs).flatMap(([name, shape]) => field(11, valueInfo(name, shape))),
    ...Object.entries(outputs).flatMap(([name, shape]) => field(12, valueInfo(name, shape))),
  ]
  return joined([...number(1, IR_VERSION), ...field(7, graph), ...field(8, number(2, OPSET))])
}

function nodeProto({ operator, inputs, output, attributes = {} }: OnnxNode): Bytes {
  return [
    ...inputs.flatMap((name) => field(1, utf8(name))),
    ...field(2, utf8(output)),
    // Named, because messages about a node give its name.
    ...field(3, utf8(output)),
    ...field(4, utf8(operator)),
    ...Object.entries(attributes).flatMap(([name, value]) => field(5, attributeProto(name, value))),
  ]
}

function attributeProto(name: string, value: Attribute): Bytes {
  const single = typeof value === 'number'
  const values = single ? number(3, value) : value.flatMap((v) => number(8, v))
  return [...field(1, utf8(name)), ...values, ...number(20, single ? ATTRIBUTE_INT : ATTRIBUTE_INTS)]
}

function tensorProto(name: string, { shape, data }: OnnxTensor): Bytes {
  const type = data instanceof Float32Array ? FLOAT : INT64
  const raw = [new Uint8Array(data.buffer, data.byteOffset, data.byteLength)]
  return [...shape.flatMap((n) => number(1, n)), ...number(2, type), ...field(8, utf8(name)), ...field(9, raw)]
}

function valueInfo(name: string, shape: readonly number[]): Bytes {
  const dimensions = shape.flatMap((n) => field(1, number(1, n)))
  const tensor = [...number(1, FLOAT), ...field(2, dimensions)]
  return [...field(1, utf8(name)), ...field(2, field(1, tensor))]
}

/** A field that holds bytes: a string or a message. */
function field(tag: number, content: Bytes): Bytes {
  return [varint((tag << 3) | 2), varint(content.reduce((sum, part) => sum + part.length, 0)), ...content]
}

function number(tag: number, value: number): Bytes {
  return [varint(tag << 3), varint(value)]
}

function utf8(text: string): Bytes {
  return [new TextEncoder().encode(text)]
}

/** Seven bits a byte, lowest first; the top bit says that there are more. Not for negative numbers. */
function varint(value: number): Uint8Array {
  const bytes: number[] = []
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return Uint8Array.of(...bytes, rest)
    bytes.push((rest % 128) + 128)
  }
}

function joined(parts: Bytes): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}
