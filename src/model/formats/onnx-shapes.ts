/** Operators that move values: shapes, axes, joins, cuts, borders, other sizes, and what reduces or normalises along axes. */
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
import { reduceTrailing } from './onnx-windows.ts'

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
  axes.forEach((axis, k) => {
    const size = [g.batch, ...x.sizes][axis]!
    const { from, count } = range(starts[k]!, ends[k]!, steps[k]!, size)
    if (from === 0 && count === size && steps[k] === 1) return
    const at = sizesAxis(axis, x)
    if (steps[k] !== 1) throw new InputError(`its step is ${steps[k]}; only 1 is supported`)
    front[at] = from
    back[at] = size - from - count
  })
  return margins('crop', x, front, back, call.name, g)
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

/** One element of an axis, which goes when the index is no list. */
export const gather: Convert = (call, g) => {
  const x = liveInput(call, 0)
  const axis = sizesAxis(call.number('axis', 0), x)
  const index = neededInput(call, 1, 'indices')
  if (product(index.shape) !== 1)
    throw new InputError(`it picks ${product(index.shape)} elements; only one is supported`)
  const at = index.read()[0]!
  const size = x.sizes[axis]!
  const one = part(x, axis, at < 0 ? at + size : at, 1, call.name, g)
  return { ...one, sizes: x.sizes.toSpliced(axis, 1, ...index.shape) }
}

export const pad: Convert = (call, g) => {
  const x = liveInput(call, 0)
  const mode = call.text('mode', 'constant')
  if (mode !== 'constant') throw new InputError(`its mode is "${mode.slice(0, 40)}"; only "constant" is supported`)
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
  return margins('pad', cut, more(front), more(back), call.name, g, value)
}

/** The sizes of Resize or Upsample, whichever way they are given. */
function resizedTo(call: Call, x: Live, g: Graph): number[] {
  const from = [g.batch, ...x.sizes]
  const place = call.operator === 'Upsample' || g.opset < 11 ? 1 : 2
  const axes = (call.numbers('axes') ?? from.map((_, k) => k)).map((a) => axisOf(a, from.length))
  const sizes = place === 2 ? shortList(call, 3, 'sizes') : undefined
  const scales = shortList(call, place, 'scales')
  const given = sizes?.length ? sizes : scales
  if (given?.length !== axes.length)
    throw new InputError(`its sizes or scales ${given} are not one for each of ${axes.length} axes`)
  const to = [...from]
  axes.forEach((axis, k) => {
    const wanted = given === sizes ? given[k]! : from[axis]! * given[k]!
    to[axis] = Math.floor(wanted + 1e-4)
    if (Math.abs(to[axis]! - wanted) > 1e-4) {
      throw new InputError(`its scale ${given[k]} makes ${wanted} of ${from[axis]} voxels; whole numbers are supported`)
    }
  })
  if (to[0] !== from[0] || to[1] !== from[1]) throw new InputError('it resizes other than spatial axes')
  return to.slice(1)
}

/** Whether nearest is floor(i * in / out), as ours is; equal to rounding at voxel centres where each voxel is repeated. */
function isOurNearest(coordinates: string, rounding: string, from: readonly number[], to: readonly number[]): boolean {
  if (coordinates === 'asymmetric' && rounding === 'floor') return true
  const repeats = to.every((n, k) => n % from[k]! === 0)
  return repeats && coordinates.endsWith('half_pixel') && rounding.startsWith('round_prefer')
}

export const resize: Convert = (call, g) => {
  const x = liveInput(call, 0)
  const mode = call.text('mode', 'nearest')
  const isOld = call.operator === 'Upsample' || g.opset < 11
  const coordinates = isOld ? 'asymmetric' : call.text('coordinate_transformation_mode', 'half_pixel')
  const rounding = isOld ? 'floor' : call.text('nearest_mode', 'round_prefer_floor')
  const policy = call.text('keep_aspect_ratio_policy', 'stretch')
  const to = resizedTo(call, x, g)
  const y = { ...x, sizes: to }
  const [, ...size] = volume(y).sizes
  const isLinear = mode === 'linear' && (coordinates === 'half_pixel' || coordinates === 'pytorch_half_pixel')
  // The two differ where one voxel is left.
  const isSame = coordinates === 'half_pixel' || to.every((n, k) => n > 1 || x.sizes[k] === 1)
  const isNearest = mode === 'nearest' && isOurNearest(coordinates, rounding, x.sizes, to)
  if (!(isNearest || (isLinear && isSame)) || call.number('antialias', 0) || policy !== 'stretch') {
    throw new InputError(
      `it resizes ${formatSizes(x.sizes)} to ${formatSizes(to)} with mode "${mode}", coordinates "${coordinates}", rounding "${rounding}"; ` +
        'supported: linear with half_pixel, nearest with asymmetric and floor, or nearest by whole factors',
    )
  }
  const made = g.add(call.name, 'resample3d', [volume(x)], { size, mode: isLinear ? 'trilinear' : 'nearest' })
  return likeAxes(made, x)
}

function reducedAxes(call: Call, x: Live): number[] {
  const axes = shortList(call, 1, 'axes')
  if (!axes?.length) throw new InputError('it reduces all axes, the batch with them; samples have to stay apart')
  return [...new Set(axes.map((a) => sizesAxis(a, x)))]
}

export const reduceMean: Convert = (call, g) => {
  const x = liveInput(call, 0)
  return reduceTrailing('globalAvgPool', reducedAxes(call, x), x, call, g)
}

export const reduceMax: Convert = (call, g) => {
  const x = liveInput(call, 0)
  return reduceTrailing('globalMaxPool', reducedAxes(call, x), x, call, g)
}

export const reduceSum: Convert = (call, g) => {
  const x = liveInput(call, 0)
  const axes = reducedAxes(call, x)
  const mean = reduceTrailing('globalAvgPool', axes, x, call, g)
  const factor = product(axes.map((a) => x.sizes[a]!))
  return g.add(`${call.name}_sum`, 'scale', [mean], { factor, offset: 0 })
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
