/** Arrays that go into ONNX graphs and come out of them. */
import { InputError } from '../../io/errors.ts'
import { formatSizes, product } from '../layer-rules.ts'
import type { Fixed } from './onnx-graph.ts'

/** Numbers, row-major. Float32Array holds floating-point numbers; the others hold integers or booleans. */
export interface OnnxArray {
  readonly shape: readonly number[]
  readonly data: Float32Array | Float64Array | Int32Array | Uint8Array | BigInt64Array
}

/** An array as known numbers. @throws InputError when its values are not as many as its shape says */
export function fixedArray({ shape, data }: OnnxArray, source?: string): Fixed {
  const isShape = shape.every((n) => Number.isInteger(n) && n >= 0)
  if (!isShape || product(shape) !== data.length) {
    throw new InputError(
      `the array${source === undefined ? '' : ` for "${source}"`} has ${data.length} values for its shape ${formatSizes(shape)}`,
    )
  }
  const isFloat = data instanceof Float32Array
  const values = isFloat ? data : Float64Array.from(data as ArrayLike<number | bigint>, Number)
  return { shape, integer: !isFloat, ...(source !== undefined && { source }), read: () => values }
}

/** Significant bits beyond the first, and the smallest exponent, of the types smaller than float32 (TensorProto.DataType). */
const SMALL_FLOATS: Readonly<Record<number, { bits: number; least: number; largest: number }>> = {
  10: { bits: 10, least: -14, largest: 65504 },
  16: { bits: 7, least: -126, largest: 3.3895313892515355e38 },
}

/** Values rounded to float16 or bfloat16 where the type is one of these: to the nearest, halves to the even one. */
export function roundedTo<A extends Float32Array | Float64Array>(values: A, dataType: number): A {
  const type = SMALL_FLOATS[dataType]
  if (!type) return values
  return values.map((v) => {
    if (v === 0 || !Number.isFinite(v)) return v
    const step = 2 ** (Math.max(Math.floor(Math.log2(Math.abs(v))), type.least) - type.bits)
    const steps = v / step
    const below = Math.floor(steps)
    const up = steps - below > 0.5 || (steps - below === 0.5 && below % 2 !== 0)
    const near = (up ? below + 1 : below) * step
    return Math.abs(near) > type.largest ? Math.sign(v) * Number.POSITIVE_INFINITY : near
  }) as A
}
