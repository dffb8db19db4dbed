/** Resize and Upsample. https://onnx.ai/onnx/operators/onnx__Resize.html */
import { InputError } from '../../io/errors.ts'
import { axisOf, type Call, type Graph, type Live, likeAxes, liveInput, shortList, volume } from './onnx-graph.ts'

const COORDINATES = ['half_pixel', 'pytorch_half_pixel', 'half_pixel_symmetric', 'asymmetric', 'align_corners']
const ROUNDINGS = ['floor', 'ceil', 'round_prefer_floor', 'round_prefer_ceil']

/** Sizes and scales of a sample after Resize or Upsample, whichever way they are given; scale 0 is size / input. */
function resizedTo(call: Call, x: Live, g: Graph): { sizes: number[]; scales: number[] } {
  const from = [g.batch, ...x.sizes]
  const place = call.operator === 'Upsample' || g.opset < 11 ? 1 : 2
  const axes = (call.numbers('axes') ?? from.map((_, k) => k)).map((a) => axisOf(a, from.length))
  const asked = place === 2 ? shortList(call, 3, 'sizes') : undefined
  const factors = shortList(call, place, 'scales')
  const given = asked?.length ? asked : factors
  if (given?.length !== axes.length || !given.every((n) => n > 0)) {
    throw new InputError(`its sizes or scales ${given ?? 'missing'} are not one for each of ${axes.length} axes`)
  }
  const sizes = [...from]
  const scales = from.map(() => 1)
  const policy = call.text('keep_aspect_ratio_policy', 'stretch')
  const ratios = axes.map((axis, k) => given[k]! / from[axis]!)
  const common =
    policy === 'not_larger' ? Math.min(...ratios) : policy === 'not_smaller' ? Math.max(...ratios) : undefined
  if (common === undefined && policy !== 'stretch') {
    throw new InputError(
      `its keep_aspect_ratio_policy is "${policy.slice(0, 40)}"; supported: stretch, not_larger, not_smaller`,
    )
  }
  axes.forEach((axis, k) => {
    const isScale = given !== asked
    if (isScale) sizes[axis] = Math.floor(from[axis]! * given[k]! + 1e-6)
    else sizes[axis] = common === undefined ? given[k]! : Math.floor(from[axis]! * common + 0.5)
    scales[axis] = isScale ? given[k]! : (common ?? sizes[axis]! / from[axis]!)
  })
  if (sizes[0] !== from[0] || sizes[1] !== from[1]) throw new InputError('it resizes other than spatial axes')
  // A scale that the sizes say exactly need not be kept.
  const kept = scales.map((s, k) => (Math.abs(s * from[k]! - sizes[k]!) < 1e-5 ? 0 : s))
  return { sizes: sizes.slice(1), scales: kept.slice(1) }
}

export const resize = (call: Call, g: Graph): Live => {
  const x = liveInput(call, 0)
  const mode = call.text('mode', 'nearest')
  const isOld = call.operator === 'Upsample' || g.opset < 11
  const coordinates = isOld ? 'asymmetric' : call.text('coordinate_transformation_mode', 'half_pixel')
  const rounding = isOld ? 'floor' : call.text('nearest_mode', 'round_prefer_floor')
  const isKnown = COORDINATES.includes(coordinates) && ROUNDINGS.includes(rounding)
  if ((mode !== 'linear' && mode !== 'nearest') || !isKnown || call.number('antialias', 0)) {
    throw new InputError(
      `its mode is "${mode.slice(0, 40)}" with coordinates "${coordinates.slice(0, 40)}", rounding "${rounding.slice(0, 40)}" and antialias ${call.number('antialias', 0)}; ` +
        `supported: linear and nearest without antialias, coordinates ${COORDINATES.join(', ')}, rounding ${ROUNDINGS.join(', ')}`,
    )
  }
  const { sizes, scales } = resizedTo(call, x, g)
  const [, ...size] = volume({ ...x, sizes }).sizes
  const scale = [0, 0, 0, ...scales.slice(1)].slice(-3)
  const usual = mode === 'linear' ? 'half_pixel' : 'asymmetric'
  const isUsual = coordinates === usual || (mode === 'nearest' && isRepetition(coordinates, rounding, x, sizes))
  const attributes = {
    size,
    mode: mode === 'linear' ? 'trilinear' : 'nearest',
    ...(isUsual ? {} : { coordinates }),
    ...(mode === 'nearest' && !(isUsual && coordinates !== usual) && { rounding }),
    scale,
  }
  return likeAxes(g.add(call.name, 'resample3d', [volume(x)], attributes), x)
}

/** Whether each voxel is repeated a whole number of times: then rounding at voxel centres is floor(i * in / out), ours. */
function isRepetition(coordinates: string, rounding: string, x: Live, sizes: readonly number[]): boolean {
  const repeats = sizes.every((n, k) => n % x.sizes[k]! === 0)
  return repeats && coordinates.endsWith('half_pixel') && rounding.startsWith('round_prefer')
}
