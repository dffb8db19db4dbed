/** Constant folding: operators whose inputs are all known, mostly arithmetic on shapes and of weights. */
import { InputError } from '../../io/errors.ts'
import { formatSizes, product, type Sizes } from '../layer-rules.ts'
import { permute } from './keras-builder.ts'
import { asFloat, fixed, inferenceRate, type Numbers, range, shapeValue, sliceOf } from './onnx-constants.ts'
import { axisOf, type Call, type Fixed, fixedInput, type Graph, neededInput, shortList } from './onnx-graph.ts'
import { isFloatType } from './onnx-tensor.ts'
import { reshaped, squeezed, unsqueezed } from './onnx-views.ts'

type Fold = (call: Call, inputs: readonly Fixed[], g: Graph) => Fixed

function make(integer: boolean, count: number, g: Graph): Numbers {
  g.spend(count)
  return integer ? new Float64Array(count) : new Float32Array(count)
}

/** Hands over the offset in `shape` (row-major) of each element of `out`, with strides 0 along repeated axes. */
function walk(out: Sizes, strides: Sizes, start: number, use: (from: number, k: number) => void): void {
  const at = out.map(() => 0)
  const count = product(out)
  for (let k = 0, from = start; k < count; k++) {
    use(from, k)
    for (let a = out.length - 1; a >= 0; a--) {
      from += strides[a]!
      if (++at[a]! < out[a]!) break
      from -= strides[a]! * out[a]!
      at[a] = 0
    }
  }
}

const stridesOf = (shape: Sizes) => shape.map((_, k) => product(shape.slice(k + 1)))

function broadcastShape(shapes: readonly Sizes[]): number[] {
  const rank = Math.max(...shapes.map((s) => s.length))
  return Array.from({ length: rank }, (_, k) => {
    const sizes = shapes.map((s) => s[k - rank + s.length] ?? 1)
    const size = sizes.find((n) => n !== 1) ?? 1
    if (sizes.some((n) => n !== size && n !== 1)) {
      throw new InputError(`its inputs ${shapes.map(formatSizes).join(' and ')} do not broadcast`)
    }
    return size
  })
}

function expand(value: Fixed, shape: Sizes, g: Graph): Numbers {
  const source = value.read()
  const result = make(value.integer, product(shape), g)
  const missing = shape.length - value.shape.length
  const own = stridesOf(value.shape)
  const strides = shape.map((_, k) => (k < missing || value.shape[k - missing] === 1 ? 0 : own[k - missing]!))
  walk(shape, strides, 0, (from, k) => {
    result[k] = source[from]!
  })
  return result
}

/** @param integerResult default: what the input `typed` is, the last unless it is given */
function elementwise(compute: (...values: number[]) => number, integerResult?: boolean, typed = -1): Fold {
  return (_, inputs, g) => {
    const shape = broadcastShape(inputs.map((i) => i.shape))
    const values = inputs.map((i) => expand(i, shape, g))
    const integer = integerResult ?? inputs.at(typed)!.integer
    const result = make(integer, product(shape), g)
    for (let k = 0; k < result.length; k++) {
      const value = compute(...values.map((v) => v[k]!))
      result[k] = integer ? Math.trunc(value) : value
    }
    return fixed(shape, result, integer)
  }
}

const gather: Fold = (call, [data, indices], g) => {
  const axis = axisOf(call.number('axis', 0), data!.shape.length)
  const size = data!.shape[axis]!
  const inner = product(data!.shape.slice(axis + 1))
  const outer = product(data!.shape.slice(0, axis))
  const picks = indices!.read()
  const source = data!.read()
  const result = make(data!.integer, outer * picks.length * inner, g)
  for (let o = 0, at = 0; o < outer; o++) {
    for (const pick of picks) {
      const index = pick < 0 ? pick + size : pick
      if (!(index >= 0 && index < size))
        throw new InputError(`its index ${pick} lies outside ${formatSizes(data!.shape)}`)
      for (let k = 0; k < inner; k++) result[at++] = source[(o * size + index) * inner + k]!
    }
  }
  return fixed(
    [...data!.shape.slice(0, axis), ...indices!.shape, ...data!.shape.slice(axis + 1)],
    result,
    data!.integer,
  )
}

/** Matrices and vectors (spectral norm has both). */
const matMul: Fold = (_, [a, b], g) => {
  const [left, right] = [a!.shape, b!.shape]
  const inner = left.at(-1) ?? 0
  if (![1, 2].includes(left.length) || ![1, 2].includes(right.length) || inner !== right[0]) {
    throw new InputError(
      `its constants ${formatSizes(left)} and ${formatSizes(right)} are no matrices that fit together`,
    )
  }
  const rows = left.slice(0, -1)
  const columns = right.slice(1)
  const width = product(columns)
  const result = make(a!.integer, product(rows) * width, g)
  const [x, y] = [a!.read(), b!.read()]
  for (let k = 0; k < result.length; k++) {
    const row = Math.floor(k / width) * inner
    let sum = 0
    for (let i = 0; i < inner; i++) sum += x[row + i]! * y[i * width + (k % width)]!
    result[k] = sum
  }
  return fixed([...rows, ...columns], result, a!.integer)
}

const concat: Fold = (call, inputs, g) => {
  const [first] = inputs
  const axis = axisOf(call.number('axis', 1), first!.shape.length)
  const same = inputs.every(
    (i) => i.shape.length === first!.shape.length && i.shape.every((n, k) => k === axis || n === first!.shape[k]),
  )
  if (!same)
    throw new InputError(`its inputs ${inputs.map((i) => formatSizes(i.shape)).join(', ')} do not fit together`)
  const shape = first!.shape.map((n, k) => (k === axis ? inputs.reduce((sum, i) => sum + i.shape[k]!, 0) : n))
  const result = make(first!.integer, product(shape), g)
  const outer = product(shape.slice(0, axis))
  const runs = inputs.map((i) => ({ values: i.read(), run: product(i.shape.slice(axis)) }))
  for (let o = 0, at = 0; o < outer; o++) {
    for (const { values, run } of runs) {
      result.set(values.subarray(o * run, (o + 1) * run), at)
      at += run
    }
  }
  return fixed(shape, result, first!.integer)
}

const slice: Fold = (call, [data], g) => {
  const shape = [...data!.shape]
  const { starts, ends, axes, steps } = sliceOf(call, shape.length)
  const strides = stridesOf(data!.shape)
  let start = 0
  axes.forEach((axis, k) => {
    const { from, count } = range(starts[k]!, ends[k]!, steps[k]!, data!.shape[axis]!)
    start += from * strides[axis]!
    strides[axis] = strides[axis]! * steps[k]!
    shape[axis] = count
  })
  const source = data!.read()
  const result = make(data!.integer, product(shape), g)
  walk(shape, strides, start, (from, k) => {
    result[k] = source[from]!
  })
  return fixed(shape, result, data!.integer)
}

/** @param finish what becomes of the combined value of `count` elements */
const reduce = (
  combine: (a: number, b: number) => number,
  first: number,
  finish = (sum: number, _: number) => sum,
): Fold => {
  return (call, [data], g) => {
    const { shape, integer } = data!
    const given = shortList(call, 1, 'axes')
    if (!given?.length && call.number('noop_with_empty_axes', 0))
      throw new InputError('it reduces no axis of a constant')
    const axes = given?.length ? given.map((a) => axisOf(a, shape.length)) : shape.map((_, k) => k)
    const kept = shape.map((n, k) => (axes.includes(k) ? 1 : n))
    const result = make(integer, product(kept), g).fill(first)
    const own = stridesOf(kept)
    const source = data!.read()
    // Walks over the data with the result's strides, 0 along what is reduced.
    walk(
      shape,
      own.map((s, k) => (axes.includes(k) ? 0 : s)),
      0,
      (at, k) => {
        result[at] = combine(result[at]!, source[k]!)
      },
    )
    const count = product(shape) / Math.max(result.length, 1)
    for (let k = 0; k < result.length; k++) result[k] = finish(result[k]!, count)
    if (integer && count === 0 && !Number.isFinite(first)) throw new InputError('it reduces no integers at all')
    const keep = call.number('keepdims', 1) === 1
    return fixed(keep ? kept : kept.filter((_, k) => !axes.includes(k)), result, integer)
  }
}

/** The remainder with the sign of the divisor, as Python has it. */
function modulo(a: number, b: number): number {
  const rest = a % b
  return rest !== 0 && rest < 0 !== b < 0 ? rest + b : rest
}

/** Operators by name; all of their inputs are fixed. */
export const folds: Readonly<Record<string, Fold>> = {
  Identity: (_, [x]) => x!,
  Dropout(call, [x]) {
    inferenceRate(call)
    return x!
  },
  CastLike: (_, [x, like]) => (like && !like.integer ? asFloat(x!) : x!),
  Cast(call, [x], g) {
    const integer = !isFloatType(call.number('to', 1))
    if (integer === x!.integer) return x!
    const values = make(integer, product(x!.shape), g)
    x!.read().forEach((v, k) => {
      values[k] = integer ? Math.trunc(v) : v
    })
    return fixed(x!.shape, values, integer)
  },
  Shape: (call, [x]) => shapeValue(call, x!.shape),
  Size: (_, [x]) => fixed([], Float64Array.of(product(x!.shape)), true),
  Add: elementwise((a, b) => a + b),
  Sub: elementwise((a, b) => a - b!),
  Mul: elementwise((a, b) => a * b!),
  Div: elementwise((a, b) => a / b!),
  // Of the base's type: exporters write whole exponents as integers.
  Pow: elementwise((a, b) => a ** b!, undefined, 0),
  Mod: (call, inputs, g) =>
    elementwise(call.number('fmod', 0) ? (a, b) => a % b! : (a, b) => modulo(a, b!))(call, inputs, g),
  Neg: elementwise((a) => -a),
  Abs: elementwise(Math.abs),
  Sqrt: elementwise(Math.sqrt),
  Reciprocal: elementwise((a) => 1 / a),
  Exp: elementwise(Math.exp),
  Log: elementwise(Math.log),
  Relu: elementwise((a) => Math.max(a, 0)),
  Sigmoid: elementwise((a) => 1 / (1 + Math.exp(-a))),
  Tanh: elementwise(Math.tanh),
  Clip(call, [x], g) {
    const low = fixedInput(call, 1, 'min')?.read()[0] ?? call.number('min', Number.NEGATIVE_INFINITY)
    const high = fixedInput(call, 2, 'max')?.read()[0] ?? call.number('max', Number.POSITIVE_INFINITY)
    return elementwise((a) => Math.min(Math.max(a, low), high))(call, [x!], g)
  },
  Floor: elementwise(Math.floor),
  Ceil: elementwise(Math.ceil),
  Max: elementwise(Math.max),
  Min: elementwise(Math.min),
  Equal: elementwise((a, b) => Number(a === b), true),
  Greater: elementwise((a, b) => Number(a > b!), true),
  Less: elementwise((a, b) => Number(a < b!), true),
  GreaterOrEqual: elementwise((a, b) => Number(a >= b!), true),
  LessOrEqual: elementwise((a, b) => Number(a <= b!), true),
  And: elementwise((a, b) => Number(a !== 0 && b !== 0), true),
  Not: elementwise((a) => Number(a === 0), true),
  Where: elementwise((c, a, b) => (c ? a! : b!)),
  MatMul: matMul,
  Gather: gather,
  Concat: concat,
  Slice: slice,
  ReduceProd: reduce((a, b) => a * b, 1),
  ReduceSum: reduce((a, b) => a + b, 0),
  ReduceMean: reduce(
    (a, b) => a + b,
    0,
    (sum, count) => sum / count,
  ),
  ReduceL2: reduce((a, b) => a + b * b, 0, Math.sqrt),
  ReduceSumSquare: reduce((a, b) => a + b * b, 0),
  ReduceMax: reduce(Math.max, Number.NEGATIVE_INFINITY),
  ReduceMin: reduce(Math.min, Number.POSITIVE_INFINITY),
  Reshape(call, [x]) {
    const to = neededInput(call, 1, 'target sizes').read()
    return { ...x!, shape: reshaped(x!.shape, [...to], call.number('allowzero', 0) === 1) }
  },
  Flatten(call, [x]) {
    const axis = call.number('axis', 1)
    return { ...x!, shape: [product(x!.shape.slice(0, axis)), product(x!.shape.slice(axis))] }
  },
  Squeeze: (call, [x]) => ({ ...x!, shape: squeezed(x!.shape, shortList(call, 1, 'axes')) }),
  Unsqueeze: (call, [x]) => ({ ...x!, shape: unsqueezed(x!.shape, shortList(call, 1, 'axes')) }),
  Transpose(call, [x], g) {
    const order = call.numbers('perm') ?? x!.shape.map((_, k) => k).reverse()
    const isOrder = order.length === x!.shape.length && x!.shape.every((_, k) => order.includes(k))
    if (!isOrder) throw new InputError(`its perm ${formatSizes(order)} does not order ${formatSizes(x!.shape)}`)
    g.spend(product(x!.shape))
    const { shape, data } = permute({ shape: x!.shape, data: Float32Array.from(x!.read()) }, order)
    return fixed(shape, x!.integer ? Float64Array.from(data) : data, x!.integer)
  },
  Expand(call, [x], g) {
    const shape = broadcastShape([x!.shape, shortList(call, 1, 'sizes') ?? []])
    return fixed(shape, expand(x!, shape, g), x!.integer)
  },
  ConstantOfShape(call, _, g) {
    const shape = shortList(call, 0, 'sizes') ?? []
    if (shape.some((n) => !(n >= 0))) throw new InputError(`its sizes are ${formatSizes(shape)}`)
    const value = call.tensor('value')
    const values = make(value?.integer ?? false, product(shape), g)
    return fixed(shape, values.fill(value?.read()[0] ?? 0), value?.integer ?? false)
  },
  Range(_, inputs, g) {
    const [start, limit, step] = inputs.map((i) => i.read()[0]!) as [number, number, number]
    const count = Math.max(Math.ceil((limit - start) / step), 0)
    const values = make(inputs[0]!.integer, count, g)
    return fixed([count], values.map((_, k) => start + k * step) as Numbers, inputs[0]!.integer)
  },
}
