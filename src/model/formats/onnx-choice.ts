/**
 * Comparisons, as values 0 and 1, and choices between values by them. No gradient passes through a comparison, as in every
 * framework.
 */
import { branches, minus } from './onnx-arithmetic.ts'
import { asFloat } from './onnx-constants.ts'
import { FLOAT_MAX } from './onnx-curves.ts'
import { type Call, type Fixed, type Graph, isLive, type Live, liveInput, partner } from './onnx-graph.ts'

type Convert = (call: Call, g: Graph) => Live

function not(x: Live, name: string, g: Graph): Live {
  return g.add(name, 'scale', [x], { factor: -1, offset: 1 })
}

/** a > b, or b > a, or the reverse of one. */
function comparison(isSwapped: boolean, isReversed: boolean): Convert {
  return (call, g) => {
    const [a, b] = branches(call, g)
    const [above, below] = isSwapped ? [b, a] : [a, b]
    const difference = minus(g, `${call.name}_difference`, above, below)
    const step = g.add(isReversed ? `${call.name}_step` : call.name, 'step', [difference])
    return isReversed ? not(step, call.name, g) : step
  }
}

export const greater = comparison(false, false)
export const less = comparison(true, false)
export const greaterOrEqual = comparison(true, true)
export const lessOrEqual = comparison(false, true)
export const logicalNot: Convert = (call, g) => not(liveInput(call, 0), call.name, g)
export const logicalAnd: Convert = (call, g) => g.add(call.name, 'multiply', branches(call, g))

/** Infinite numbers as the largest there are: what is not chosen is multiplied by 0. */
function finite(value: Fixed): Fixed {
  const hasInfinite = value.read().some((v) => Math.abs(v) === Number.POSITIVE_INFINITY)
  if (!hasInfinite) return value
  const read = () => Float32Array.from(value.read(), (v) => Math.min(Math.max(v, -FLOAT_MAX), FLOAT_MAX))
  return { ...value, read }
}

/** c a + (1 - c) b. Constant conditions are booleans, constant values may be infinite (masked attention). */
export const where: Convert = (call, g) => {
  const x = call.inputs.find((v) => v && isLive(v)) as Live
  const inputs = call.inputs.map((v, k) => (!v || isLive(v) ? v : k === 0 ? asFloat(v) : finite(v)))
  const [c, a, b] = [0, 1, 2].map((k) => partner({ ...call, inputs }, k, x)) as [Live, Live, Live]
  const first = g.add(`${call.name}_first`, 'multiply', [c, a])
  const second = g.add(`${call.name}_second`, 'multiply', [not(c, `${call.name}_else`, g), b])
  return g.add(call.name, 'add', [first, second])
}

/** x where it is above alpha, else 0. */
export const thresholdedRelu: Convert = (call, g) => {
  const x = liveInput(call, 0)
  const above = g.add(`${call.name}_above`, 'scale', [x], { factor: 1, offset: -call.number('alpha', 1) })
  return g.add(call.name, 'multiply', [x, g.add(`${call.name}_step`, 'step', [above])])
}
