/** Two builds of one network: which tensor of one is which of the other. */
import type { Tensor } from '../../engine/tensor.ts'

/**
 * Walks two graphs of the same form together, from their ends.
 * @returns the other graph's tensor for one of the first; a tensor that both share, such as a weight, is its own partner
 */
export function pairGraphs(end: Tensor, other: Tensor): (t: Tensor) => Tensor {
  const found = new Map<Tensor, Tensor>([[end, other]])
  const open: [Tensor, Tensor][] = [[end, other]]
  while (open.length > 0) {
    const [a, b] = open.pop()!
    const pairs = [a.node?.inputs ?? [], a.node?.outputs ?? []].flatMap((list, k) => {
      const twins = (k === 0 ? b.node?.inputs : b.node?.outputs) ?? []
      return list.map((t, i) => [t, twins[i]!] as [Tensor, Tensor])
    })
    for (const [t, twin] of pairs) {
      if (found.has(t)) continue
      found.set(t, twin)
      open.push([t, twin])
    }
  }
  return (t) => found.get(t) ?? t
}
