/** Dense layers, slopes, and sums, products and powers with constants or of branches. */
import { InputError } from '../../io/errors.ts'
import type { Weight } from '../description.ts'
import type { LayerType } from '../layer.ts'
import { formatSizes, product, type Sizes } from '../layer-rules.ts'
import { filled, permute } from './keras-builder.ts'
import {
  asWeight,
  axisOf,
  type Call,
  type Fixed,
  type Graph,
  isLive,
  type Live,
  liveInput,
  neededInput,
  partner,
  volume,
} from './onnx-graph.ts'

type Convert = (call: Call, g: Graph) => Live

function scaled({ shape, data }: Weight, factor: number): Weight {
  return factor === 1 ? { shape, data } : { shape, data: data.map((v) => v * factor) }
}

function features(call: Call): Live {
  const x = liveInput(call, 0)
  if (x.sizes.length !== 1) throw new InputError(`takes one vector a sample, got ${formatSizes(x.sizes)}`)
  return x
}

/** Weights [units, F] of either orientation. */
function denseWeight(b: Fixed, transposed: boolean, x: Live): Weight {
  const [rows, columns] = b.shape as [number, number]
  if (b.shape.length !== 2 || (transposed ? columns : rows) !== x.sizes[0]) {
    throw new InputError(`its weights ${formatSizes(b.shape)} do not fit an input of ${formatSizes(x.sizes)} a sample`)
  }
  const weight = asWeight(b, b.shape, 'weights')
  return transposed ? weight : permute(weight, [1, 0])
}

export const gemm: Convert = (call, g) => {
  const x = features(call)
  if (call.number('transA', 0)) throw new InputError('its transA swaps the batch axis with another')
  const b = neededInput(call, 1, 'weights')
  const transposed = call.number('transB', 0) !== 0
  if (!transposed) g.spend(product(b.shape))
  const weight = scaled(denseWeight(b, transposed, x), call.number('alpha', 1))
  const units = weight.shape[0]!
  const c = call.inputs[2]
  const scale = call.number('beta', 1)
  const isBias = c && !isLive(c) && (product(c.shape) === 1 || isRow(c.shape, units))
  if (!c || !isBias) {
    const y = g.add(call.name, 'dense', [x], { units, bias: false }, { weight })
    if (!c) return y
    const other = partner(call, 2, y)
    const scaledOther = scale === 1 ? other : g.add(`${call.name}_beta`, 'scale', [other], { factor: scale, offset: 0 })
    return g.add(`${call.name}_sum`, 'add', [y, scaledOther])
  }
  const one = product(c.shape) === 1 ? filled([units], c.read()[0]!) : asWeight(c, [units], 'biases')
  return g.add(call.name, 'dense', [x], { units, bias: true }, { weight, bias: scaled(one, scale) })
}

/** [n], [1, n], ... */
function isRow(shape: Sizes, n: number): boolean {
  return shape.every((size, k) => size === (k === shape.length - 1 ? n : 1)) && product(shape) === n
}

/** Dense along the last axis; where there are others, a convolution of one voxel over them. */
export const matMul: Convert = (call, g) => {
  const x = liveInput(call, 0)
  const b = neededInput(call, 1, 'weights')
  g.spend(product(b.shape))
  const inner = { ...x, sizes: x.sizes.slice(-1) }
  const weight = denseWeight(b, false, inner)
  const units = weight.shape[0]!
  if (x.sizes.length === 1) return g.add(call.name, 'dense', [x], { units, bias: false }, { weight })
  const features = x.sizes.at(-1)!
  const rows = product(x.sizes) / features
  const turned = g.add(`${call.name}_axes`, 'transpose', [{ ...x, sizes: [rows, features] }], { axes: [0, 2, 1] })
  const kernel = { shape: [units, features, 1, 1, 1], data: weight.data }
  const attributes = { channels: units, kernel: 1, bias: false }
  const made = g.add(call.name, 'conv3d', [volume(turned)], attributes, { weight: kernel })
  const back = g.add(`${call.name}_back`, 'transpose', [{ ...made, sizes: [units, rows] }], { axes: [0, 2, 1] })
  return { ...back, sizes: [...x.sizes.slice(0, -1), units] }
}

export const prelu: Convert = (call, g) => {
  const x = liveInput(call, 0)
  const slope = neededInput(call, 1, 'slopes')
  const count = product(slope.shape)
  const isChannels = g.opset < 7 || perChannel(slope, x, call, g)
  if (count !== 1 && !isChannels) {
    // max(x, 0) - slope max(-x, 0), for slopes of any shape.
    const step = (part: string, type: LayerType, inputs: Live[], attributes = {}) =>
      g.add(`${call.name}_${part}`, type, inputs, attributes)
    const below = step('below', 'relu', [step('negative', 'scale', [x], { factor: -1, offset: 0 })])
    const falling = step('slope', 'scale', [step('slopes', 'multiply', [below, partner(call, 1, x)])], {
      factor: -1,
      offset: 0,
    })
    return g.add(call.name, 'add', [step('above', 'relu', [x]), falling])
  }
  return g.add(call.name, 'prelu', [x], { parameters: count }, { weight: asWeight(slope, [count], 'slopes') })
}

/** Whether a constant has one number for each channel of x, by numpy's rules for the shape [N, ...sizes]. */
function perChannel(c: Fixed, x: Live, call: Call, g: Graph): boolean {
  const rank = x.sizes.length + 1
  // Before operator set 7 an attribute said which axis the constant begins at.
  const begin = g.opset < 7 && call.has('axis') ? call.number('axis', 0) : rank - c.shape.length
  const isChannels = c.shape.every((n, k) => n === (k + begin === 1 ? x.sizes[0] : 1))
  return begin >= 0 && isChannels && product(c.shape) === x.sizes[0]
}

/** The only number of a constant, where it has one and does not add axes to x. */
function onlyNumber(c: Fixed, x: Live): number | undefined {
  return product(c.shape) === 1 && c.shape.length <= x.sizes.length + 1 ? c.read()[0] : undefined
}

/** factor * x + offset, of one number each or of one for each channel. */
function affine(
  call: Call,
  x: Live,
  k: number,
  g: Graph,
  line: (c: number) => [factor: number, offset: number],
): Live | undefined {
  const c = call.inputs[k] as Fixed
  const number = onlyNumber(c, x)
  if (number !== undefined) {
    const [factor, offset] = line(number)
    return g.add(call.name, 'scale', [x], { factor, offset })
  }
  if (!perChannel(c, x, call, g)) return undefined
  const shape = [x.sizes[0]!]
  const lines = Array.from(c.read(), line)
  g.spend(lines.length)
  const weight = { shape, data: Float32Array.from(lines, ([factor]) => factor) }
  const bias = { shape, data: Float32Array.from(lines, ([, offset]) => offset) }
  const before = g.layers.find((l) => l.name === x.layer)
  const canTake = before?.type === 'dense' || before?.type === 'conv3d' || before?.type === 'convTranspose3d'
  if (canTake && !before.bias && call.alone[1 - k] && weight.data.every((v) => v === 1)) {
    g.addBias(x, bias)
    return x
  }
  const weights = { weight, bias, running_mean: filled(shape, 0), running_var: filled(shape, 1) }
  return g.add(call.name, 'batchNorm', [x], { epsilon: 0 }, weights)
}

export function branches(call: Call, g: Graph): [Live, Live] {
  const k = call.inputs.findIndex((v) => v && isLive(v))
  const x = liveInput(call, Math.max(k, 0))
  const other = 1 - Math.max(k, 0)
  const value = call.inputs[other]
  // Before operator set 7 an attribute said which axis a constant begins at.
  const isOld = g.opset < 7 && call.has('axis') && value && !isLive(value)
  const missing = isOld
    ? x.sizes.length + 1 - axisOf(call.number('axis', 0), x.sizes.length + 1) - value.shape.length
    : 0
  const y =
    isOld && missing > 0
      ? partner(
          {
            ...call,
            inputs: [undefined, { ...value, shape: [...value.shape, ...new Array<number>(missing).fill(1)] }],
          },
          1,
          x,
        )
      : partner(call, other, x)
  if (x.sizes.length !== y.sizes.length) {
    throw new InputError(
      `its inputs have ${formatSizes(x.sizes)} and ${formatSizes(y.sizes)} a sample, of different numbers of axes`,
    )
  }
  return other === 1 ? [x, y] : [y, x]
}

/** Which input is a constant; undefined where both are live. */
function constantOf(call: Call): 0 | 1 | undefined {
  const [a, b] = call.inputs
  if (!a || !b || call.inputs.length !== 2) throw new InputError(`takes two inputs, got ${call.inputs.length}`)
  return isLive(a) ? (isLive(b) ? undefined : 1) : 0
}

/** An operator of two inputs: with a constant of one number, or of one a channel, a line; else a layer of both. */
function binary(
  line: (c: number, k: 0 | 1) => [number, number] | undefined,
  both: (g: Graph, name: string, a: Live, b: Live) => Live,
): Convert {
  return (call, g) => {
    const k = constantOf(call)
    const isLine = k !== undefined && line(1, k) !== undefined
    const made = isLine && affine(call, liveInput(call, 1 - k), k, g, (c) => line(c, k)!)
    return made || both(g, call.name, ...branches(call, g))
  }
}

export function minus(g: Graph, name: string, a: Live, b: Live): Live {
  return g.add(name, 'add', [a, g.add(`${name}_negative`, 'scale', [b], { factor: -1, offset: 0 })])
}

export const add = binary(
  (c) => [1, c],
  (g, name, a, b) => g.add(name, 'add', [a, b]),
)
export const subtract = binary((c, k) => (k === 1 ? [1, -c] : [-1, c]), minus)
export const multiply = binary(
  (c) => [c, 0],
  (g, name, a, b) => g.add(name, 'multiply', [a, b]),
)
export const divide = binary(
  (c, k) => (k === 1 ? [1 / c, 0] : undefined),
  (g, name, a, b) => g.add(name, 'divide', [a, b]),
)

/** All inputs one after the other (Sum, Max, ...). */
function chain(step: (g: Graph, name: string, a: Live, b: Live) => Live): Convert {
  return (call, g) => {
    const first = call.inputs.findIndex((v) => v && isLive(v))
    const x = liveInput(call, Math.max(first, 0))
    const all = call.inputs.map((_, k) => partner(call, k, x))
    return all.reduce((a, b, k) => {
      if (a.sizes.length !== b.sizes.length)
        throw new InputError(
          `its inputs have ${formatSizes(a.sizes)} and ${formatSizes(b.sizes)} a sample, of different numbers of axes`,
        )
      return step(g, k === all.length - 1 ? call.name : `${call.name}_${k}`, a, b)
    })
  }
}

const plus = (g: Graph, name: string, a: Live, b: Live) => g.add(name, 'add', [a, b])
export const sum = chain(plus)
export const average: Convert = (call, g) => {
  const total = sum(call, g)
  return g.add(`${call.name}_mean`, 'scale', [total], { factor: 1 / call.inputs.length, offset: 0 })
}
/** max(a, b) = b + max(a - b, 0). */
export const maximum = chain((g, name, a, b) =>
  g.add(name, 'add', [b, g.add(`${name}_above`, 'relu', [minus(g, `${name}_difference`, a, b)])]),
)
/** min(a, b) = a - max(a - b, 0). */
export const minimum = chain((g, name, a, b) =>
  minus(g, name, a, g.add(`${name}_above`, 'relu', [minus(g, `${name}_difference`, a, b)])),
)

/** x to a constant power: a whole one up to 16, or 1/2, or one of these of 1 / x; any other is exp(p log x), of positive x. */
export const power: Convert = (call, g) => {
  const x = liveInput(call, 0)
  const exponent = neededInput(call, 1, 'exponents')
  const p = onlyNumber(exponent, x)
  const size = Math.abs(p ?? Number.NaN)
  if (p === undefined || !Number.isFinite(p)) {
    throw new InputError(`its exponent is ${p ?? formatSizes(exponent.shape)}; one finite number is supported`)
  }
  const isWhole = Number.isInteger(size) && size >= 1
  if (isWhole && size > 16) throw new InputError(`its exponent is ${p}; whole ones are supported up to 16`)
  if (!isWhole && size !== 0.5) {
    const log = g.add(`${call.name}_log`, 'log', [x])
    return g.add(call.name, 'exp', [g.add(`${call.name}_times`, 'scale', [log], { factor: p, offset: 0 })])
  }
  let y = size === 0.5 ? g.add(`${call.name}_root`, 'sqrt', [x]) : x
  for (let k = 1; k < size; k++) y = g.add(`${call.name}_${k + 1}`, 'multiply', [y, x])
  return p > 0 ? y : reciprocalOf(y, call, g)
}

function reciprocalOf(x: Live, call: Call, g: Graph): Live {
  const one = Float32Array.of(1)
  const shape = new Array<number>(x.sizes.length + 1).fill(1)
  return g.add(call.name, 'divide', [call.lift({ shape, integer: false, read: () => one }), x])
}

export const reciprocal: Convert = (call, g) => reciprocalOf(liveInput(call, 0), call, g)
