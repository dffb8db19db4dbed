/** In which order the nodes of an ONNX graph are converted. */
import { InputError } from '../../io/errors.ts'
import type { OnnxModel, OnnxNode } from './onnx-proto.ts'

/** A node in messages. */
export function describe(node: OnnxNode): string {
  return `the node "${node.name}" (${node.operator.slice(0, 80)})`
}

/** Where each value comes from. @throws InputError for a value that is made twice */
export function producersOf({ nodes, initializers, inputs }: OnnxModel): Map<string, OnnxNode> {
  const taken = new Set<string>()
  const producers = new Map<string, OnnxNode>()
  // Files before IR version 4 list initializers among the inputs as well.
  for (const name of new Set([...inputs.map((i) => i.name), ...initializers.map((t) => t.name)])) taken.add(name)
  for (const node of nodes) {
    for (const name of node.outputs) {
      if (name === '') continue
      if (taken.has(name)) throw new InputError(`${describe(node)} makes the value "${name}", which is there already`)
      taken.add(name)
      producers.set(name, node)
    }
  }
  return producers
}

/** The nodes that outputs need, each after those it takes from. @throws InputError for a cycle or a value nobody makes */
export function orderOf(
  outputs: readonly string[],
  producers: ReadonlyMap<string, OnnxNode>,
  isGiven: (name: string) => boolean,
): OnnxNode[] {
  const order: OnnxNode[] = []
  const state = new Map<OnnxNode, 'open' | 'done'>()
  const stack: { node: OnnxNode; next: number }[] = []
  const visit = (name: string, taker: string) => {
    const node = producers.get(name)
    if (!node) {
      if (name === '' || isGiven(name)) return
      throw new InputError(`${taker} takes the value "${name}", which nothing makes`)
    }
    if (state.get(node) === 'open')
      throw new InputError(`${describe(node)} needs its own output: the graph has a cycle`)
    if (state.has(node)) return
    state.set(node, 'open')
    stack.push({ node, next: 0 })
  }
  const finish = () => {
    for (let top = stack.at(-1); top; top = stack.at(-1)) {
      const name = top.node.inputs[top.next++]
      if (name !== undefined) visit(name, describe(top.node))
      else {
        state.set(top.node, 'done')
        order.push(top.node)
        stack.pop()
      }
    }
  }
  for (const output of outputs) {
    visit(output, 'the graph')
    finish()
  }
  return order
}
