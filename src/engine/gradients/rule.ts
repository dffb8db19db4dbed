/** What a gradient rule is. */
import type { Node, Tensor } from '../tensor.ts'

/**
 * Gradients with respect to each input of a node, given those of its outputs (undefined: none arrived).
 * `wanted[i]` is false where nobody needs input i's gradient: leave it out.
 */
export type Rule = (
  node: Node,
  arriving: readonly (Tensor | undefined)[],
  wanted: readonly boolean[],
) => (Tensor | undefined)[]

export type Rules = Readonly<Record<string, Rule>>
