/** Activations, most of them made of simpler layers. */
import { InputError } from '../../io/errors.ts'
import type { LayerType } from '../layer.ts'
import { type Call, fixedInput, type Graph, type Live, liveInput } from './onnx-graph.ts'

type Convert = (call: Call, g: Graph) => Live

/** An activation without weights. */
export function activation(type: LayerType, attributes: (call: Call) => object = () => ({})): Convert {
  return (call, g) => g.add(call.name, type, [liveInput(call, 0)], { ...attributes(call) })
}

/** Bounds as inputs, or as attributes before operator set 11. */
export const clip: Convert = (call, g) => {
  const x = liveInput(call, 0)
  const bound = (k: number, name: string, otherwise: number) => {
    const given = fixedInput(call, k, name)?.read()[0] ?? call.number(name, otherwise)
    return Math.min(Math.max(given, -FLOAT_MAX), FLOAT_MAX)
  }
  const [low, high] = [bound(1, 'min', -FLOAT_MAX), bound(2, 'max', FLOAT_MAX)]
  // Where the bounds cross, the upper one holds.
  if (low > high) return g.add(call.name, 'clamp', [x], { low: high, high })
  if (low === -FLOAT_MAX && high === FLOAT_MAX) return x
  if (low === 0 && high === FLOAT_MAX) return g.add(call.name, 'relu', [x])
  return g.add(call.name, 'clamp', [x], { low, high })
}

export const FLOAT_MAX = 3.4028234663852886e38

function hardSigmoidOf(x: Live, alpha: number, beta: number, name: string, g: Graph): Live {
  const line = g.add(`${name}_line`, 'scale', [x], { factor: alpha, offset: beta })
  return g.add(name, 'clamp', [line], { low: 0, high: 1 })
}

export const hardSigmoid: Convert = (call, g) =>
  hardSigmoidOf(liveInput(call, 0), call.number('alpha', 0.2), call.number('beta', 0.5), call.name, g)

export const hardSwish: Convert = (call, g) => {
  const x = liveInput(call, 0)
  return g.add(call.name, 'multiply', [x, hardSigmoidOf(x, 1 / 6, 0.5, `${call.name}_gate`, g)])
}

/** x tanh(log(1 + e^x)). https://arxiv.org/abs/1908.08681 */
export const mish: Convert = (call, g) => {
  const x = liveInput(call, 0)
  const plus = g.add(`${call.name}_softplus`, 'softplus', [x])
  return g.add(call.name, 'multiply', [x, g.add(`${call.name}_gate`, 'tanh', [plus])])
}

/** x sigmoid(alpha x). */
export const swish: Convert = (call, g) => {
  const x = liveInput(call, 0)
  const alpha = call.number('alpha', 1)
  const line = alpha === 1 ? x : g.add(`${call.name}_line`, 'scale', [x], { factor: alpha, offset: 0 })
  return g.add(call.name, 'multiply', [x, g.add(`${call.name}_gate`, 'sigmoid', [line])])
}

/** x / (1 + |x|). */
export const softsign: Convert = (call, g) => {
  const x = liveInput(call, 0)
  const size = g.add(`${call.name}_size`, 'abs', [x])
  return g.add(call.name, 'divide', [x, g.add(`${call.name}_below`, 'scale', [size], { factor: 1, offset: 1 })])
}

/** gamma elu(x), the defaults those of https://arxiv.org/abs/1706.02515 in float32. */
export const selu: Convert = (call, g) => {
  const alpha = call.number('alpha', 1.6732631921768188)
  const curve = g.add(`${call.name}_elu`, 'elu', [liveInput(call, 0)], { alpha })
  return g.add(call.name, 'scale', [curve], { factor: call.number('gamma', 1.0507010221481323), offset: 0 })
}

/** alpha elu(x / alpha). */
export const celu: Convert = (call, g) => {
  const alpha = call.number('alpha', 1)
  if (!(alpha > 0)) throw new InputError(`its alpha is ${alpha}; one above 0 is supported`)
  const line = g.add(`${call.name}_line`, 'scale', [liveInput(call, 0)], { factor: 1 / alpha, offset: 0 })
  const curve = g.add(`${call.name}_elu`, 'elu', [line], { alpha: 1 })
  return g.add(call.name, 'scale', [curve], { factor: alpha, offset: 0 })
}
