/** Gradient rules of softmax and class selection. Labels are not differentiated. */
import { ShapeError } from '../errors.ts'
import { selectGradient } from '../ops/select.ts'
import { softmaxGradient } from '../ops/softmax.ts'
import type { Rules } from './rule.ts'

export const softmaxRules: Rules = {
  softmax: ({ outputs: [p] }, [dy]) => [softmaxGradient(p!, dy!, false)],
  log_softmax: ({ outputs: [p] }, [dy]) => [softmaxGradient(p!, dy!, true)],
  select: (node, [dy], wanted) => {
    if (wanted.includes(true, 1)) throw new ShapeError('select has a gradient for the scores only, not for labels')
    return [selectGradient(node, dy!)]
  },
}
