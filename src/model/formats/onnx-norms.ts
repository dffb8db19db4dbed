/** Normalisations. */
import { InputError } from '../../io/errors.ts'
import { product } from '../layer-rules.ts'
import { filled } from './keras-builder.ts'
import {
  asWeight,
  type Call,
  fixedInput,
  type Graph,
  type Live,
  likeAxes,
  liveInput,
  neededInput,
  sizesAxis,
  volume,
} from './onnx-graph.ts'
import { over } from './onnx-reduce.ts'

type Convert = (call: Call, g: Graph) => Live

export const batchNormalization: Convert = (call, g) => {
  const x = liveInput(call, 0)
  if (call.number('training_mode', 0)) throw new InputError('it is in training mode; export the network for inference')
  if (call.number('spatial', 1) === 0)
    throw new InputError('its spatial = 0 (statistics for each voxel) is not supported')
  const epsilon = call.number('epsilon', 1e-5)
  const channels = [x.sizes[0]!]
  const names = ['weight', 'bias', 'running_mean', 'running_var']
  const weights = names.map((name, k) => [name, asWeight(neededInput(call, k + 1, name), channels, name)] as const)
  // ONNX's momentum is the share that is kept, ours the share that is new.
  const momentum = Number(Math.min(Math.max(1 - call.number('momentum', 0.9), 0), 1).toPrecision(6))
  return g.add(call.name, 'batchNorm', [x], { epsilon, momentum }, Object.fromEntries(weights))
}

export const instanceNormalization: Convert = (call, g) => {
  const x = liveInput(call, 0)
  const channels = [x.sizes[0]!]
  const weight = asWeight(neededInput(call, 1, 'scales'), channels, 'scales')
  const bias = asWeight(neededInput(call, 2, 'biases'), channels, 'biases')
  const epsilon = call.number('epsilon', 1e-5)
  return likeAxes(g.add(call.name, 'instanceNorm', [volume(x)], { epsilon }, { weight, bias }), x)
}

/** One scale and bias a channel; operator sets before 21 had one a group. */
export const groupNormalization: Convert = (call, g) => {
  const x = liveInput(call, 0)
  const groups = call.number('num_groups', 0)
  const channels = x.sizes[0] ?? 0
  const perChannel = (k: number, what: string) => {
    const given = neededInput(call, k, what)
    if (g.opset >= 21 || product(given.shape) !== groups) return asWeight(given, [channels], what)
    const values = given.read()
    const data = Float32Array.from({ length: channels }, (_, c) => values[Math.floor((c * groups) / channels)]!)
    return { shape: [channels], data }
  }
  const weights = { weight: perChannel(1, 'scales'), bias: perChannel(2, 'biases') }
  return g.add(call.name, 'groupNorm', [x], { groups, epsilon: call.number('epsilon', 1e-5) }, weights)
}

/** Over all axes from `axis` on. */
export const layerNormalization = (call: Call, g: Graph): readonly Live[] => {
  const x = liveInput(call, 0)
  const from = sizesAxis(call.number('axis', -1), x)
  const sizes = x.sizes.slice(from)
  const weight = asWeight(neededInput(call, 1, 'scales'), sizes, 'scales')
  const given = fixedInput(call, 2, 'biases')
  const bias = given ? asWeight(given, sizes, 'biases') : filled(sizes, 0)
  const epsilon = call.number('epsilon', 1e-5)
  const y = g.add(call.name, 'layerNorm', [x], { axes: sizes.length, epsilon }, { weight, bias })
  const axes = sizes.map((_, k) => from + k)
  return call.outputs[1] || call.outputs[2] ? [y, ...moments(x, axes, epsilon, call.name, g)] : [y]
}

/** The means and one over the standard deviations. */
function moments(x: Live, axes: readonly number[], epsilon: number, name: string, g: Graph): [Live, Live] {
  const mean = over('globalAvgPool', x, axes, `${name}_mean`, g)
  const negative = g.add(`${name}_negative`, 'scale', [mean], { factor: -1, offset: 0 })
  const centred = g.add(`${name}_centred`, 'add', [x, negative])
  const variance = over(
    'globalAvgPool',
    g.add(`${name}_square`, 'multiply', [centred, centred]),
    axes,
    `${name}_variance`,
    g,
  )
  const root = g.add(`${name}_root`, 'sqrt', [
    g.add(`${name}_stable`, 'scale', [variance], { factor: 1, offset: epsilon }),
  ])
  const one = g.add(`${name}_one`, 'scale', [root], { factor: 0, offset: 1 })
  return [mean, g.add(`${name}_inverse`, 'divide', [one, root])]
}
