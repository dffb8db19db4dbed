/** Operators that move values: shapes, axes, joins, cuts, borders; and softmax along any axis. */
import { InputError } from '../../io/errors.ts'
import type { Margins, Triple } from '../layer.ts'
import { formatSizes, product } from '../layer-rules.ts'
import { range, sliceOf } from './onnx-constants.ts'
import {
  axisOf,
  type Call,
  fixedInput,
  type Graph,
  type Live,
  likeAxes,
  liveInput,
  neededInput,
  shortList,
  sizesAxis,
  volume,
} from './onnx-graph.ts'
import { reshaped, squeezed, unsqueezed } from './onnx-views.ts'

type Convert = (call: Call, g: Graph) => Live

/** The value under a shape with the batch axis, which has to stay what it is. */
function view(x: Live, shape: readonly number[], g: Graph): Live {
  const [batch, ...sizes] = shape
  if (batch !== g.batch) {
    throw new InputError(
      `it makes ${formatSizes(shape)} of ${formatSizes([g.batch, ...x.sizes])}; samples have to stay apart`,
    )
  }
  return { ...x, sizes }
}

/** An operator that only changes the shape. */
function shaped(change: (from: number[], call: Call) => number[]): Convert {
  return (call, g) => {
    const x = liveInput(call, 0)
    return view(x, change([g.batch, ...x.sizes], call), g)
  }
}

export const reshape = shaped((from, call) => {
  const target = shortList(call, 1, 'shape')
  if (!target) throw new InputError('its shape is missing')
  return reshaped(from, target, call.number('allowzero', 0) === 1)
})

export const flatten = shaped((from, call) => {
  const given = call.number('axis', 1)
  const axis = given === from.length ? given : axisOf(given, from.length)
  return [product(from.slice(0, axis)), product(from.slice(axis))]
})

export const squeeze = shaped((from, call) => squeezed(from, shortList(call, 1, 'axes')))
export const unsqueeze = shaped((from, call) => unsqueezed(from, shortList(call, 1, 'axes')))

export const transpose: Convert = (call, g) => {
  const x = liveInput(call, 0)
  const axes = call.numbers('perm') ?? [0, ...x.sizes.map((_, k) => k + 1)].reverse()
  if (axes[0] !== 0) throw new InputError('it moves the batch axis; samples have to stay apart')
  return g.add(call.name, 'transpose', [x], { axes })
}

export const concat: Convert = (call, g) => {
  const inputs = call.inputs.map((_, k) => liveInput(call, k))
  if (inputs.length === 1) return inputs[0]!
  const axis = sizesAxis(call.number('axis', 1), inputs[0]!) + 1
  return g.add(call.name, 'concat', inputs, { axis })
}

/** Takes `front` and `back` elements off each axis, or adds as many of `value`. Both are by index of sizes. */
function margins(
  type: 'crop' | 'pad',
  x: Live,
  front: readonly number[],
  back: readonly number[],
  name: string,
  g: Graph,
  value = 0,
): Live {
  const attributes = (m: Margins) => ({ ...m, ...(type === 'pad' && { value }) })
  if ([...front, ...back].every((n) => n === 0)) return x
  const isSpatial = x.sizes.length > 1 && x.sizes.length <= 4 && front[0] === 0 && back[0] === 0
  if (isSpatial) {
    const triple = (list: readonly number[]) => [0, 0, 0, ...list.slice(1)].slice(-3) as unknown as Triple
    return likeAxes(g.add(name, type, [volume(x)], attributes({ front: triple(front), back: triple(back) })), x)
  }
  // Any one axis is the middle one of a volume: those before it, itself, those after it.
  let y = x
  x.sizes.forEach((size, k) => {
    if (front[k] === 0 && back[k] === 0) return
    const rows = { ...y, sizes: [1, product(y.sizes.slice(0, k)), size, product(y.sizes.slice(k + 1))] }
    const made = g.add(name, type, [rows], attributes({ front: [0, front[k]!, 0], back: [0, back[k]!, 0] }))
    y = { ...made, sizes: y.sizes.with(k, made.sizes[2]!) }
  })
  return y
}

/** `count` elements of one axis from `from` on. */
function part(x: Live, axis: number, from: number, count: number, name: string, g: Graph): Live {
  const rest = x.sizes[axis]! - from - count
  const only = (n: number) => x.sizes.map((_, k) => (k === axis ? n : 0))
  if (count < 1 || rest < 0) throw new InputError(`it takes ${count} of ${x.sizes[axis]} elements`)
  return margins('crop', x, only(from), only(rest), name, g)
}

export const slice: Convert = (call, g) => {
  const x = liveInput(call, 0)
  const { starts, ends, axes, steps } = sliceOf(call, x.sizes.length + 1)
  const front = x.sizes.map(() => 0)
  const back = x.sizes.map(() => 0)
  let y = x
  axes.forEach((axis, k) => {
    const size = [g.batch, ...x.sizes][axis]!
    const { from, count } = range(starts[k]!, ends[k]!, steps[k]!, size)
    if (from === 0 && count === size && steps[k] === 1) return
    const at = sizesAxis(axis, x)
    if (steps[k] === 1) {
      front[at] = from
      back[at] = size - from - count
    } else y = picked(y, at, (i) => from + i * steps[k]!, count, `${call.name}_${axis}`, g)
  })
  return margins('crop', y, front, back, call.name, g)
}

/** `count` elements of an axis in any order. */
function picked(x: Live, at: number, index: (k: number) => number, count: number, name: string, g: Graph): Live {
  if (count < 1) throw new InputError(`nothing is left of axis ${at + 1}`)
  g.spend(count)
  return g.add(name, 'gather', [x], { axis: at + 1, indices: Array.from({ length: count }, (_, k) => index(k)) })
}

export function split(call: Call, g: Graph): (Live | undefined)[] {
  const x = liveInput(call, 0)
  const axis = sizesAxis(call.number('axis', 0), x)
  const size = x.sizes[axis]!
  const pieces = call.outputs.length
  const equal = Math.ceil(size / pieces)
  const counts = shortList(call, 1, 'split') ?? call.outputs.map((_, k) => Math.min(equal, size - k * equal))
  if (counts.length !== pieces || counts.reduce((a, b) => a + b, 0) !== size) {
    throw new InputError(`its parts ${counts} do not make up ${size} elements in ${pieces} outputs`)
  }
  let from = 0
  return counts.map((count, k) => {
    const piece = call.outputs[k] ? part(x, axis, from, count, `${call.name}_${k}`, g) : undefined
    from += count
    return piece
  })
}

/** Elements of an axis, which is replaced by the axes of the indices. */
export const gather: Convert = (call, g) => {
  const x = liveInput(call, 0)
  const axis = sizesAxis(call.number('axis', 0), x)
  const index = neededInput(call, 1, 'indices')
  const size = x.sizes[axis]!
  const count = product(index.shape)
  const picks = [...index.read()].map((i) => (i < 0 ? i + size : i))
  const y =
    count === 1 ? part(x, axis, picks[0]!, 1, call.name, g) : picked(x, axis, (k) => picks[k]!, count, call.name, g)
  return { ...y, sizes: x.sizes.toSpliced(axis, 1, ...index.shape) }
}

/** Repeats along axes. */
export const tile: Convert = (call, g) => {
  const x = liveInput(call, 0)
  const repeats = shortList(call, 1, 'repeats') ?? []
  if (repeats.length !== x.sizes.length + 1) throw new InputError(`its repeats ${repeats} are not one for each axis`)
  if (repeats[0] !== 1) throw new InputError('it repeats the batch axis; samples have to stay apart')
  return repeated(x, repeats.slice(1), call.name, g)
}

function repeated(x: Live, repeats: readonly number[], name: string, g: Graph): Live {
  return repeats.reduce((y, n, k) => {
    return n === 1 ? y : picked(y, k, (i) => i % x.sizes[k]!, n * x.sizes[k]!, `${name}_${k}`, g)
  }, x)
}

/** Repeats axes of size 1 to the sizes asked for, as numpy broadcasts. */
export const expand: Convert = (call, g) => {
  const x = liveInput(call, 0)
  const asked = shortList(call, 1, 'shape') ?? []
  const missing = x.sizes.length + 1 - asked.length
  const to = [...new Array<number>(Math.max(missing, 0)).fill(1), ...asked]
  const from = [g.batch, ...x.sizes]
  const fits = missing >= 0 && from.every((n, k) => to[k] === n || to[k] === 1 || (n === 1 && k > 0 && to[k]! > 0))
  if (!fits)
    throw new InputError(`it expands ${formatSizes(from)} to ${formatSizes(asked)}; samples have to stay apart`)
  return repeated(
    x,
    to.slice(1).map((n, k) => (x.sizes[k] === 1 ? n : 1)),
    call.name,
    g,
  )
}

/** Blocks of channels to voxels of a plane: [C, H, W] -> [C / b^2, b H, b W]. */
export const depthToSpace: Convert = (call, g) => {
  const x = liveInput(call, 0)
  const b = call.number('blocksize', 0)
  const [c, h, w] = x.sizes as [number, number, number]
  if (x.sizes.length !== 3 || !(b >= 1) || c % (b * b) !== 0)
    throw new InputError(`its block size is ${b} for ${formatSizes(x.sizes)} a sample`)
  const isDcr = call.text('mode', 'DCR') === 'DCR'
  const sizes = isDcr ? [b, b, c / b / b, h, w] : [c / b / b, b, b, h, w]
  const axes = isDcr ? [0, 3, 4, 1, 5, 2] : [0, 1, 4, 2, 5, 3]
  return { ...g.add(call.name, 'transpose', [{ ...x, sizes }], { axes }), sizes: [c / b / b, h * b, w * b] }
}

/** The reverse of DepthToSpace: [C, H, W] -> [b^2 C, H / b, W / b]. */
export const spaceToDepth: Convert = (call, g) => {
  const x = liveInput(call, 0)
  const b = call.number('blocksize', 0)
  const [c, h, w] = x.sizes as [number, number, number]
  if (x.sizes.length !== 3 || !(b >= 1) || h % b || w % b)
    throw new InputError(`its block size is ${b} for ${formatSizes(x.sizes)} a sample`)
  const source = { ...x, sizes: [c, h / b, b, w / b, b] }
  const axes = call.text('mode', 'DCR') === 'DCR' ? [0, 3, 5, 1, 2, 4] : [0, 1, 3, 5, 2, 4]
  return { ...g.add(call.name, 'transpose', [source], { axes }), sizes: [c * b * b, h / b, w / b] }
}

/** From a place outside of an axis of n elements to the one inside whose value it gets. */
const borders: Readonly<Record<string, (k: number, n: number) => number>> = {
  edge: (k, n) => Math.min(Math.max(k, 0), n - 1),
  reflect(k, n) {
    const period = Math.max(2 * (n - 1), 1)
    const at = ((k % period) + period) % period
    return Math.min(at, period - at)
  },
  wrap: (k, n) => ((k % n) + n) % n,
}

export const pad: Convert = (call, g) => {
  const x = liveInput(call, 0)
  const mode = call.text('mode', 'constant')
  const border = Object.hasOwn(borders, mode) ? borders[mode] : undefined
  if (mode !== 'constant' && !border) {
    throw new InputError(`its mode is "${mode.slice(0, 40)}"; supported: constant, ${Object.keys(borders).join(', ')}`)
  }
  const rank = x.sizes.length + 1
  const pads = shortList(call, 1, 'pads') ?? call.numbers('paddings')
  const value = fixedInput(call, 2, 'value')?.read()[0] ?? call.number('value', 0)
  const axes = (shortList(call, 3, 'axes') ?? Array.from({ length: rank }, (_, k) => k)).map((a) => axisOf(a, rank))
  if (pads?.length !== 2 * axes.length)
    throw new InputError(`its pads ${pads} are not two for each of ${axes.length} axes`)
  const all = new Array<number>(2 * rank).fill(0)
  axes.forEach((axis, k) => {
    all[axis] = pads[k]!
    all[axis + rank] = pads[k + axes.length]!
  })
  if (all[0] || all[rank]) throw new InputError('it pads the batch axis; samples have to stay apart')
  const [front, back] = [all.slice(1, rank), all.slice(rank + 1)]
  const less = (list: number[]) => list.map((n) => Math.max(-n, 0))
  const more = (list: number[]) => list.map((n) => Math.max(n, 0))
  const cut = margins('crop', x, less(front), less(back), `${call.name}_crop`, g)
  if (!border) return margins('pad', cut, more(front), more(back), call.name, g, value)
  return cut.sizes.reduce((y, n, k) => {
    const [before, after] = [Math.max(front[k]!, 0), Math.max(back[k]!, 0)]
    if (before + after === 0) return y
    return picked(y, k, (i) => border(i - before, n), n + before + after, `${call.name}_${k}`, g)
  }, cut)
}

/** Softmax along one axis; up to operator set 12 along all axes from there on. */
export function softmax(type: 'softmax' | 'logSoftmax'): Convert {
  return (call, g) => {
    const x = liveInput(call, 0)
    const at = sizesAxis(call.number('axis', g.opset < 13 ? 1 : -1), x)
    const rows = [product(x.sizes.slice(0, at)), product(x.sizes.slice(at))]
    const joined = at === 0 ? [rows[1]!] : rows
    const source = g.opset < 13 ? { ...x, sizes: joined } : x
    const axis = (g.opset < 13 ? joined.length - 1 : at) + 1
    if (axis === 1) return { ...g.add(call.name, type, [source]), sizes: x.sizes }
    const axes = [0, ...source.sizes.map((_, k) => (k === 0 ? axis : k + 1 === axis ? 1 : k + 1))]
    const turned = g.add(`${call.name}_axes`, 'transpose', [source], { axes })
    const made = g.add(call.name, type, [turned])
    return { ...g.add(`${call.name}_back`, 'transpose', [made], { axes }), sizes: x.sizes }
  }
}
