/** From the nodes of an ONNX graph to layers: the walk, and what becomes of the graph's inputs and outputs. */
import { InputError } from '../../io/errors.ts'
import type { Sizes } from '../layer-rules.ts'
import { constantValue, shapeValue } from './onnx-constants.ts'
import { folds } from './onnx-folds.ts'
import {
  axisOf,
  type Call,
  type Fixed,
  type Graph,
  isLive,
  type Live,
  makeCall,
  makeGraph,
  type Value,
} from './onnx-graph.ts'
import { operators } from './onnx-operators.ts'
import { describe, orderOf, producersOf } from './onnx-order.ts'
import { type OnnxModel, type OnnxNode, readAttributes } from './onnx-proto.ts'
import type { ExternalData, OnnxTensor } from './onnx-tensor.ts'

/** The oldest operator set whose operators mean what they do here. */
const OLDEST = 6

/** All operators that can be read, for messages. */
export const onnxOperators: readonly string[] = [
  ...new Set([...Object.keys(operators), ...Object.keys(folds), 'Constant']),
].sort()

/** A choice along an axis that a graph ends with: which of the values is the largest. */
export interface ArgMax {
  /** Counted with the batch axis. */
  readonly axis: number
  readonly keepDims: boolean
  readonly lastOfEqual: boolean
}

export interface ConvertedOutput {
  readonly name: string
  readonly value: Value
  /** Set where the output is the ArgMax of the value. */
  readonly argMax?: ArgMax
}

export interface Task {
  /** The input that layers call 'input': its name, samples at a time, and sizes of a sample; absent where nothing is live. */
  readonly scan?: { readonly name: string; readonly batch: number; readonly sizes: Sizes }
  /** Sizes that the layers' input has, where they are not the scan's own (axes of size 1 added). */
  readonly input?: Sizes
  /** Values of other inputs by name. */
  readonly given: ReadonlyMap<string, Fixed>
  readonly outputs: readonly string[]
  readonly external?: ExternalData
  /** Numbers that may be computed while converting. */
  readonly budget: number
}

function convertNode(node: OnnxNode, call: Call, g: Graph): readonly (Value | undefined)[] {
  if (node.domain !== '') {
    throw new InputError(`its operator set "${node.domain.slice(0, 80)}" is not ONNX's own`)
  }
  if (node.operator === 'Constant') return [constantValue(call)]
  const [first] = call.inputs
  if (node.operator === 'Shape' && first && isLive(first)) return [shapeValue(call, [g.batch, ...first.sizes])]
  const isFixed = call.inputs.every((v) => v === undefined || !isLive(v))
  if (isFixed && Object.hasOwn(folds, node.operator)) {
    const inputs = call.inputs.filter((v) => v !== undefined)
    const fewest =
      node.operator === 'Where'
        ? 3
        : /^(Add|Sub|Mul|Div|Pow|Mod|MatMul|Equal|Greater|GreaterOrEqual|Less|LessOrEqual|And|Gather)$/.test(
              node.operator,
            )
          ? 2
          : 1
    if (inputs.length < fewest) throw new InputError(`takes ${fewest} inputs or more, got ${inputs.length}`)
    return [folds[node.operator]!(call, inputs as Fixed[], g)]
  }
  if (!Object.hasOwn(operators, node.operator)) {
    throw new InputError(`is not supported (operator set ${g.opset}); supported: ${onnxOperators.join(', ')}`)
  }
  const made = operators[node.operator]!(call, g)
  return Array.isArray(made) ? made : [made as Value]
}

/** Operators whose layers can take a bias that follows as an addition. */
const LINEAR = ['Conv', 'ConvTranspose', 'Gemm', 'MatMul']

/** Arrays that are decoded once, however many nodes take them. */
function decodedOnce(tensor: OnnxTensor): Fixed {
  let values: Float32Array | Float64Array | undefined
  const read = () => {
    values ??= tensor.read()
    return values
  }
  return { shape: tensor.shape, integer: tensor.integer, read }
}

/** Version of ONNX's own operators. @throws InputError where it is missing or too old */
function opsetOf({ opsets }: OnnxModel): number {
  const opset = opsets.get('')
  if (opset === undefined) {
    const domains = [...opsets.keys()].slice(0, 5).join(', ') || 'none'
    throw new InputError(`its operator sets are ${domains.slice(0, 200)}; ONNX's own is needed`)
  }
  if (opset < OLDEST) throw new InputError(`its operator set is ${opset}; ${OLDEST} and later are supported`)
  return opset
}

/** Looks through an ArgMax (and Cast or Identity after it) that an output ends with: the value before it, and the choice. */
function beforeArgMax(output: string, producers: ReadonlyMap<string, OnnxNode>) {
  let node = producers.get(output)
  for (let k = 0; k < 4 && (node?.operator === 'Cast' || node?.operator === 'Identity'); k++) {
    node = producers.get(node.inputs[0] ?? '')
  }
  if (node?.operator !== 'ArgMax' || node.domain !== '' || !node.inputs[0]) return { from: output }
  return { from: node.inputs[0], node }
}

function argMaxOf(node: OnnxNode, rank: number): ArgMax {
  const attributes = readAttributes(node)
  const number = (name: string, otherwise: number) => {
    const value = attributes.get(name) ?? otherwise
    if (typeof value !== 'number') throw new InputError(`${describe(node)}: its attribute "${name}" is not a number`)
    return value
  }
  const axis = axisOf(number('axis', 0), rank)
  return { axis, keepDims: number('keepdims', 1) !== 0, lastOfEqual: number('select_last_index', 0) !== 0 }
}

/**
 * Converts what some outputs of a graph need.
 * @throws InputError naming the node, tensor or value that is damaged or not supported
 */
export function convertModel(model: OnnxModel, task: Task): { g: Graph; outputs: ConvertedOutput[] } {
  const { scan, given, external } = task
  const opset = opsetOf(model)
  const g = makeGraph(task.input ?? scan?.sizes ?? [1], scan?.batch ?? 1, opset, task.budget)
  const values = new Map<string, Value>()
  for (const tensor of model.initializers) {
    if (values.has(tensor.name)) throw new InputError(`the tensor "${tensor.name}" is there twice`)
    values.set(tensor.name, decodedOnce(tensor))
  }
  for (const [name, value] of given) values.set(name, value)
  if (scan) values.set(scan.name, { layer: 'input', sizes: scan.sizes })
  const producers = producersOf(model)
  const ends = task.outputs.map((name) => ({ name, ...beforeArgMax(name, producers) }))
  const order = orderOf(
    ends.map((end) => end.from),
    producers,
    (name) => values.has(name),
  )
  const takers = new Map<string, number>()
  for (const name of [...ends.map((end) => end.from), ...order.flatMap((node) => node.inputs)]) {
    takers.set(name, (takers.get(name) ?? 0) + 1)
  }
  for (const node of order) {
    const alone = node.inputs.map((n) => takers.get(n) === 1 && LINEAR.includes(producers.get(n)?.operator ?? ''))
    const outputs = node.outputs.map((n) => takers.has(n))
    try {
      const inputs = node.inputs.map((name) => (name === '' ? undefined : values.get(name)))
      const lift = (value: Fixed): Live => g.lift(value, node.name)
      const call = makeCall(node, inputs, { outputs, alone, lift }, external)
      convertNode(node, call, g).forEach((value, k) => {
        const name = node.outputs[k]
        if (name && value) values.set(name, value)
      })
      const missing = node.outputs.findIndex((name, k) => outputs[k] && !values.has(name))
      if (missing >= 0) throw new InputError(`its output ${missing} is used; that is not supported`)
    } catch (error) {
      if (error instanceof InputError) throw new InputError(`${describe(node)}: ${error.message}`)
      throw error
    }
  }
  const found = ends.map(({ name, from, node }): ConvertedOutput => {
    const value = values.get(from)
    if (!value) throw new InputError(`nothing makes the output "${name}"`)
    const rank = isLive(value) ? value.sizes.length + 1 : value.shape.length
    return { name, value, ...(node && { argMax: argMaxOf(node, rank) }) }
  })
  return { g, outputs: found }
}
