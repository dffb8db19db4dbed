/** The rule book of autograd: the gradient rule of every operation, by the operation's name. */
import { convRules } from './conv.ts'
import { denseRules } from './dense.ts'
import { elementwiseRules } from './elementwise.ts'
import { normRules } from './norm.ts'
import { poolRules } from './pool.ts'
import { resampleRules } from './resample.ts'
import type { Rules } from './rule.ts'
import { shapeRules } from './shape.ts'
import { softmaxRules } from './softmax.ts'

export type { Rule, Rules } from './rule.ts'

export const gradientRules: Rules = {
  ...convRules,
  ...elementwiseRules,
  ...resampleRules,
  ...shapeRules,
  ...denseRules,
  ...normRules,
  ...poolRules,
  ...softmaxRules,
}
