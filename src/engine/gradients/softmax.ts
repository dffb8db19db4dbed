/** Gradient rules of softmax, cross-entropy and class selection. Labels and class weights are not differentiated. */
import { ShapeError } from '../errors.ts'
import { crossEntropyGradient, selectGradient } from '../ops/loss.ts'
import { softmaxGradient } from '../ops/softmax.ts'
import type { Rules } from './rule.ts'

function refuse(wanted: readonly boolean[], name: string): void {
  if (wanted.includes(true, 1))
    throw new ShapeError(`${name} has a gradient for the logits only, not for labels or class weights`)
}

export const softmaxRules: Rules = {
  softmax: ({ outputs: [p] }, [dy]) => [softmaxGradient(p!, dy!, false)],
  log_softmax: ({ outputs: [p] }, [dy]) => [softmaxGradient(p!, dy!, true)],
  cross_entropy: (node, [dy], wanted) => {
    refuse(wanted, 'crossEntropy')
    return [crossEntropyGradient(node, dy!)]
  },
  select: (node, [dy], wanted) => {
    refuse(wanted, 'select')
    return [selectGradient(node, dy!)]
  },
}
