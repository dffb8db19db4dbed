/**
 * Comparisons, as values 0 and 1, and choices between values by them. No gradient passes through a comparison, as in every
 * framework.
 */
import { branches, minus } from './onnx-arithmetic.ts'
import { type Call, type Graph, isLive, type Live, liveInput, partner } from './onnx-graph.ts'

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

/** c a + (1 - c) b. */
export const where: Convert = (call, g) => {
  const x = call.inputs.find((v) => v && isLive(v)) as Live
  const [c, a, b] = [0, 1, 2].map((k) => partner(call, k, x)) as [Live, Live, Live]
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
