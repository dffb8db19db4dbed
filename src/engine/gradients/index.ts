/** The rule book of autograd: the gradient rule of every operation, by the operation's name. */
import { elementwiseRules } from './elementwise.ts'
import type { Rules } from './rule.ts'

export type { Rule, Rules } from './rule.ts'

export const gradientRules: Rules = { ...elementwiseRules }
