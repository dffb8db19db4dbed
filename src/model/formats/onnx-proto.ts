/**
 * The messages of an ONNX file (onnx.proto3). What they hold is checked only for being readable and bounded in number; the
 * importer judges what it means.
 */
import { InputError } from '../../io/errors.ts'
import { type ExternalData, type OnnxTensor, readTensorProto } from './onnx-tensor.ts'
import { eachFloat, expectWire, type Field, fieldsOf, integersOf, textOf } from './onnx-wire.ts'

export interface OnnxNode {
  /** Its name; its operator and place in the file where it has none. */
  readonly name: string
  readonly operator: string
  /** '' is ONNX's own. */
  readonly domain: string
  /** '' stands for an optional one that is left out. */
  readonly inputs: readonly string[]
  readonly outputs: readonly string[]
  /** Encoded; see readAttributes. */
  readonly attributes: readonly Uint8Array[]
}

export interface OnnxValue {
  readonly name: string
  /** TensorProto.DataType, or 0. */
  readonly elementType: number
  /** Sizes; undefined where they are not fixed. The whole is undefined where the file does not say. */
  readonly shape?: readonly (number | undefined)[]
}

export interface OnnxModel {
  readonly name: string
  /** Version of each operator set by its domain. */
  readonly opsets: ReadonlyMap<string, number>
  readonly metadata: ReadonlyMap<string, string>
  readonly nodes: readonly OnnxNode[]
  readonly initializers: readonly OnnxTensor[]
  readonly inputs: readonly OnnxValue[]
  readonly outputs: readonly OnnxValue[]
}

export type OnnxAttribute = number | string | readonly number[] | readonly string[] | OnnxTensor

/** More of anything than networks have; a small file could announce millions. */
const MOST = 100_000
const MOST_NUMBERS = 65_536

function push<T>(list: T[], item: T, what: string): void {
  if (list.push(item) > MOST) throw new InputError(`the ONNX file has more than ${MOST} ${what}`)
}

const message = (field: Field) => expectWire(field, 2).bytes
const shortText = (field: Field) => textOf(field).slice(0, 1000)

/** The two texts of an entry. */
function readPair(bytes: Uint8Array): [string, string] {
  const pair: [string, string] = ['', '']
  for (const field of fieldsOf(bytes)) if (field.number <= 2) pair[field.number - 1] = textOf(field)
  return pair
}

function readOpset(bytes: Uint8Array): [string, number] {
  let [domain, version] = ['', 0]
  for (const field of fieldsOf(bytes)) {
    if (field.number === 1) domain = shortText(field)
    else if (field.number === 2) version = expectWire(field, 0).value
  }
  return [domain === 'ai.onnx' ? '' : domain, version]
}

/** A dimension: a size, or undefined for a name. */
function readDimension(bytes: Uint8Array): number | undefined {
  let size: number | undefined
  for (const field of fieldsOf(bytes)) if (field.number === 1) size = expectWire(field, 0).value
  return size
}

/** A ValueInfoProto: type (2) > tensor_type (1) > elem_type (1), shape (2) > dim (1). */
function readValue(bytes: Uint8Array): OnnxValue {
  let [name, elementType] = ['', 0]
  let shape: (number | undefined)[] | undefined
  const within = function* (field: Field, number: number) {
    for (const inner of fieldsOf(message(field))) if (inner.number === number) yield inner
  }
  for (const field of fieldsOf(bytes)) {
    if (field.number === 1) name = textOf(field)
    if (field.number !== 2) continue
    for (const tensor of within(field, 1)) {
      for (const part of fieldsOf(message(tensor))) {
        if (part.number === 1) elementType = expectWire(part, 0).value
        if (part.number !== 2) continue
        shape = []
        for (const dimension of within(part, 1)) {
          if (shape.push(readDimension(message(dimension))) > 16)
            throw new InputError(`the value "${name}" has more than 16 axes`)
        }
      }
    }
  }
  return { name, elementType, ...(shape && { shape }) }
}

function readNode(bytes: Uint8Array, place: number): OnnxNode {
  const inputs: string[] = []
  const outputs: string[] = []
  const attributes: Uint8Array[] = []
  let [name, operator, domain] = ['', '', '']
  for (const field of fieldsOf(bytes)) {
    if (field.number === 1) push(inputs, textOf(field), `inputs of one node`)
    else if (field.number === 2) push(outputs, textOf(field), `outputs of one node`)
    else if (field.number === 3) name = shortText(field)
    else if (field.number === 4) operator = shortText(field)
    else if (field.number === 5) push(attributes, message(field), `attributes of one node`)
    else if (field.number === 7) domain = shortText(field)
  }
  if (domain === 'ai.onnx') domain = ''
  return { name: name || `${operator}_${place}`, operator, domain, inputs, outputs, attributes }
}

/** AttributeProto.type of the kinds that are read. */
const KINDS: Readonly<Record<number, number>> = { 1: 2, 2: 3, 3: 4, 4: 5, 6: 7, 7: 8, 8: 9 }

function readAttribute(bytes: Uint8Array, external?: ExternalData): [string, OnnxAttribute] {
  let [name, type, float, integer, text] = ['', 0, 0, 0, '']
  let tensor: OnnxTensor | undefined
  const numbers: number[] = []
  const texts: string[] = []
  let seen = 0
  for (const field of fieldsOf(bytes)) {
    if (field.number >= 2 && field.number <= 9) seen = field.number
    if (field.number === 1) name = shortText(field)
    else if (field.number === 2) eachFloat(expectWire(field, 5), 4, (v) => (float = v))
    else if (field.number === 3) integer = expectWire(field, 0).value
    else if (field.number === 4) text = textOf(field)
    else if (field.number === 5) tensor = readTensorProto(message(field), external)
    else if (field.number === 7) eachFloat(field, 4, (v) => numbers.push(v))
    else if (field.number === 8) integersOf(field, numbers, MOST_NUMBERS)
    else if (field.number === 9) push(texts, textOf(field), 'texts in an attribute')
    else if (field.number === 20) type = expectWire(field, 0).value
    if (numbers.length > MOST_NUMBERS)
      throw new InputError(`its attribute "${name}" has more than ${MOST_NUMBERS} numbers`)
  }
  // Files before IR version 2 leave the type out.
  const kind = type === 0 ? seen : KINDS[type]
  if (kind === 2) return [name, float]
  if (kind === 3) return [name, integer]
  if (kind === 4) return [name, text]
  if (kind === 5 && tensor) return [name, tensor]
  if (kind === 7 || kind === 8) return [name, numbers]
  if (kind === 9) return [name, texts]
  throw new InputError(`its attribute "${name}" is of the type ${type}; graphs and sparse tensors are not supported`)
}

/** The attributes of a node by name. @throws InputError for kinds that are not supported, or a name that is given twice */
export function readAttributes(node: OnnxNode, external?: ExternalData): Map<string, OnnxAttribute> {
  const attributes = new Map<string, OnnxAttribute>()
  for (const bytes of node.attributes) {
    const [name, value] = readAttribute(bytes, external)
    if (attributes.has(name)) throw new InputError(`its attribute "${name}" is there twice`)
    attributes.set(name, value)
  }
  return attributes
}

/**
 * The parts of an ONNX file.
 * @param external finds the data of tensors that lie in other files
 * @throws InputError for bytes that are no ONNX model
 */
export function readOnnxModel(bytes: Uint8Array, external?: ExternalData): OnnxModel {
  const opsets = new Map<string, number>()
  const metadata = new Map<string, string>()
  let graph: Uint8Array | undefined
  for (const field of fieldsOf(bytes)) {
    if (field.number === 7) {
      if (graph) throw new InputError('the ONNX file has two graphs')
      graph = message(field)
    } else if (field.number === 8) opsets.set(...readOpset(message(field)))
    else if (field.number === 14) metadata.set(...readPair(message(field)))
    if (opsets.size + metadata.size > 1000)
      throw new InputError('the ONNX file has more than 1000 operator sets or notes')
  }
  if (!graph) throw new InputError('the ONNX file has no graph')
  const nodes: OnnxNode[] = []
  const initializers: OnnxTensor[] = []
  const inputs: OnnxValue[] = []
  const outputs: OnnxValue[] = []
  let name = ''
  for (const field of fieldsOf(graph)) {
    if (field.number === 1) push(nodes, readNode(message(field), nodes.length), 'nodes')
    else if (field.number === 2) name = shortText(field)
    else if (field.number === 5) push(initializers, readTensorProto(message(field), external), 'tensors')
    else if (field.number === 11) push(inputs, readValue(message(field)), 'inputs')
    else if (field.number === 12) push(outputs, readValue(message(field)), 'outputs')
    else if (field.number === 15) throw new InputError('the ONNX file has sparse tensors, which are not supported')
  }
  return { name, opsets, metadata, nodes, initializers, inputs, outputs }
}

/** Whether the bytes begin as ONNX files do: the IR version, then another field of ModelProto. */
export function isOnnx(bytes: Uint8Array): boolean {
  const second = bytes[2] ?? 0
  return bytes[0] === 0x08 && bytes[1]! <= 64 && [0x12, 0x1a, 0x22, 0x28, 0x32, 0x3a, 0x42, 0x72].includes(second)
}
