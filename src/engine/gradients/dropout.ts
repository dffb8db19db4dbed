/** Gradient rule of dropout: the same elements are dropped from what arrives. */
import { dropout } from '../ops/dropout.ts'
import type { Rules } from './rule.ts'

export const dropoutRules: Rules = {
  dropout: ({ inputs: [, seed], attributes }, [dy]) => {
    const { rate, stream } = attributes as { rate: number; stream: number }
    return [dropout(dy!, { rate, stream, seed: seed! })]
  },
}
