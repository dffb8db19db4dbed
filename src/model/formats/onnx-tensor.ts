/** TensorProto: the arrays of an ONNX file, kept as bytes until they are decoded. */
import { InputError } from '../../io/errors.ts'
import { formatSizes, product } from '../layer-rules.ts'
import {
  countFloats,
  countIntegers,
  eachFloat,
  eachInteger,
  expectWire,
  fieldsOf,
  integersOf,
  textOf,
} from './onnx-wire.ts'
import { type Decode, TYPES as elementTypes } from './safetensors.ts'

/** An array whose values are decoded when asked for. */
export interface OnnxTensor {
  readonly name: string
  readonly shape: readonly number[]
  /** Integers (or booleans) rather than floating-point numbers. */
  readonly integer: boolean
  /** The values, row-major: floats as float32, integers as float64 (exact to 2^53). */
  read(): Float32Array | Float64Array
}

/**
 * The bytes of an external data file by the name that the model gives, which is checked: a relative path without "..".
 * Undefined where there is none.
 */
export type ExternalData = (name: string) => Uint8Array | undefined

interface ElementType {
  readonly name: string
  readonly integer: boolean
  readonly size: number
  readonly decode: Decode
  /** The field that has the values where raw_data does not, and what one of its values stands for. */
  readonly field: 4 | 5 | 7 | 10 | 11
  readonly fromField?: (value: number) => number
}

const bits = (key: string, mask: number) => {
  const scratch = new DataView(new ArrayBuffer(8))
  return (value: number) => {
    scratch.setUint32(0, value & mask, true)
    return elementTypes[key]![1](scratch, 0)
  }
}

function type(name: string, key: string, field: ElementType['field'], integer = true): ElementType {
  const [size, decode] = elementTypes[key]!
  return { name, integer, size, decode, field }
}

/** By TensorProto.DataType. */
const TYPES: Readonly<Record<number, ElementType>> = {
  1: type('FLOAT', 'F32', 4, false),
  2: type('UINT8', 'U8', 5),
  3: type('INT8', 'I8', 5),
  4: type('UINT16', 'U16', 5),
  5: type('INT16', 'I16', 5),
  6: type('INT32', 'I32', 5),
  7: type('INT64', 'I64', 7),
  9: type('BOOL', 'BOOL', 5),
  10: { ...type('FLOAT16', 'F16', 5, false), fromField: bits('F16', 0xffff) },
  11: type('DOUBLE', 'F64', 10, false),
  12: type('UINT32', 'U32', 11),
  13: type('UINT64', 'U64', 11),
  16: { ...type('BFLOAT16', 'BF16', 5, false), fromField: bits('BF16', 0xffff) },
}

const NAMES: Readonly<Record<number, string>> = { 8: 'STRING', 14: 'COMPLEX64', 15: 'COMPLEX128' }

/** Whether a TensorProto.DataType is one of floating-point numbers that we read. */
export function isFloatType(dataType: number): boolean {
  return TYPES[dataType]?.integer === false
}

/** Where an array's bytes lie in another file. */
function externalBytes(tensor: string, entries: readonly Uint8Array[], external?: ExternalData): Uint8Array {
  const given: Record<string, string> = Object.create(null)
  for (const entry of entries) {
    const pair = ['', '']
    for (const field of fieldsOf(entry)) if (field.number <= 2) pair[field.number - 1] = textOf(field)
    given[pair[0]!] = pair[1]!
  }
  const { location = '', offset = '0', length } = given
  const parts = location.split('/')
  const isPlain = parts.every((p) => p !== '' && p !== '..' && p !== '.') && !/[\\:\0]/.test(location)
  if (!isPlain || location.length > 1000) {
    const shown = JSON.stringify(location.slice(0, 80))
    throw new InputError(
      `the tensor "${tensor}" lies in the file ${shown}; only a file beside the model or below it is read`,
    )
  }
  const bytes = external?.(location)
  if (!bytes) throw new InputError(`the tensor "${tensor}" lies in the file "${location}", which is not there`)
  const start = Number(offset)
  const count = length === undefined ? bytes.length - start : Number(length)
  const isInside = Number.isSafeInteger(start) && Number.isSafeInteger(count) && start >= 0 && count >= 0
  if (!isInside || start + count > bytes.length) {
    throw new InputError(
      `the tensor "${tensor}" takes ${length} bytes from ${offset} of "${location}", which has ${bytes.length}`,
    )
  }
  return bytes.subarray(start, start + count)
}

function decodeRaw(raw: Uint8Array, { size, decode }: ElementType, into: Float32Array | Float64Array): void {
  const view = new DataView(raw.buffer, raw.byteOffset, raw.length)
  for (let k = 0; k < into.length; k++) into[k] = decode(view, k * size)
}

/**
 * Checks a TensorProto: its values are as many as its shape says.
 * @param external finds data that lie in other files
 * @throws InputError naming the tensor
 */
export function readTensorProto(bytes: Uint8Array, external?: ExternalData): OnnxTensor {
  const shape: number[] = []
  const entries: Uint8Array[] = []
  let [name, dataType, isExternal] = ['', 0, false]
  let raw: Uint8Array | undefined
  for (const field of fieldsOf(bytes)) {
    if (field.number === 1) integersOf(field, shape, 16)
    else if (field.number === 2) dataType = expectWire(field, 0).value
    else if (field.number === 3) throw new InputError('it has a tensor in segments, which is not supported')
    else if (field.number === 8) name = textOf(field).slice(0, 1000)
    else if (field.number === 9) raw = expectWire(field, 2).bytes
    else if (field.number === 13 && entries.push(expectWire(field, 2).bytes) > 16) break
    else if (field.number === 14) isExternal = expectWire(field, 0).value === 1
  }
  const element = TYPES[dataType]
  if (!element) {
    const supported = Object.values(TYPES).map((t) => t.name)
    throw new InputError(
      `the tensor "${name}" is of the type ${NAMES[dataType] ?? dataType}; supported: ${supported.join(', ')}`,
    )
  }
  const count = product(shape)
  if (shape.some((n) => n < 0) || !Number.isSafeInteger(count)) {
    throw new InputError(`the tensor "${name}" has the shape ${formatSizes(shape)}`)
  }
  if (isExternal) raw = externalBytes(name, entries, external)
  const floats = element.field === 4 ? 4 : element.field === 10 ? 8 : undefined
  let found = 0
  if (raw) found = raw.length / element.size
  else {
    for (const field of fieldsOf(bytes)) {
      if (field.number !== element.field) continue
      found += floats ? countFloats(field, floats) : countIntegers(field)
    }
  }
  if (found !== count) {
    throw new InputError(`the tensor "${name}" has ${found} values for its shape ${formatSizes(shape)}`)
  }
  const { fromField, integer } = element
  const read = () => {
    const values = integer ? new Float64Array(count) : new Float32Array(count)
    if (raw) {
      decodeRaw(raw, element, values)
      return values
    }
    let at = 0
    const put = (value: number) => {
      values[at++] = fromField ? fromField(value) : value
    }
    for (const field of fieldsOf(bytes)) {
      if (field.number !== element.field) continue
      if (floats) eachFloat(field, floats, put)
      else eachInteger(field, put)
    }
    return values
  }
  return { name, shape, integer, read }
}
