/** Gelu and the error function, made of layers that there are. */
import { InputError } from '../../io/errors.ts'
import type { LayerType } from '../layer.ts'
import { type Call, type Graph, type Live, liveInput } from './onnx-graph.ts'

type Step = (
  part: string,
  type: LayerType,
  inputs: readonly Live[],
  attributes?: Readonly<Record<string, unknown>>,
) => Live

const steps = (name: string, g: Graph): Step => {
  return (part, type, inputs, attributes) => g.add(`${name}_${part}`, type, inputs, attributes)
}

/**
 * erf(x) = tanh(x p(x^2)) to 1.4e-7 in float32: p is fitted to atanh(erf(x)) / x on [0, 4] (minimax by reweighted least
 * squares, in erf); beyond 4, erf is 1 in float32.
 */
const ERF = [
  1.128379705395192, 0.10276548171811713, -0.0001843837010174813, -0.0006257199597129575, 8.971286127656473e-5,
  -5.985754729716089e-6, 1.5896493702581884e-7,
]

function erfOf(x: Live, step: Step): Live {
  const within = step('within', 'clamp', [x], { low: -4, high: 4 })
  const square = step('square', 'multiply', [within, within])
  const [highest, ...lower] = [...ERF].reverse() as [number, ...number[]]
  let p = step('p0', 'scale', [square], { factor: highest, offset: lower[0] })
  lower.slice(1).forEach((offset, k) => {
    p = step(`p${k + 1}`, 'scale', [step(`p${k}_square`, 'multiply', [p, square])], { factor: 1, offset })
  })
  return step('erf', 'tanh', [step('argument', 'multiply', [within, p])])
}

export function erf(call: Call, g: Graph): Live {
  return erfOf(liveInput(call, 0), steps(call.name, g))
}

/** x (1 + erf(x / sqrt 2)) / 2, or with tanh(sqrt(2 / pi) (x + 0.044715 x^3)) for erf. https://arxiv.org/abs/1606.08415 */
export function gelu(call: Call, g: Graph): Live {
  const x = liveInput(call, 0)
  const step = steps(call.name, g)
  const approximate = call.text('approximate', 'none')
  if (approximate !== 'none' && approximate !== 'tanh') {
    throw new InputError(`its approximate is "${approximate.slice(0, 40)}"; supported: none, tanh`)
  }
  const gate = (curve: Live) => step('gate', 'scale', [curve], { factor: 0.5, offset: 0.5 })
  if (approximate === 'none') {
    const curve = erfOf(step('scaled', 'scale', [x], { factor: Math.SQRT1_2 }), step)
    return g.add(call.name, 'multiply', [x, gate(curve)])
  }
  const root = Math.sqrt(2 / Math.PI)
  const square = step('square', 'multiply', [x, x])
  const slope = step('slope', 'scale', [square], { factor: 0.044715 * root, offset: root })
  const curve = step('tanh', 'tanh', [step('argument', 'multiply', [x, slope])])
  return g.add(call.name, 'multiply', [x, gate(curve)])
}
