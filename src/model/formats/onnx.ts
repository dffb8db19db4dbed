/**
 * Import of ONNX files (operator sets 6 and later): the graph's nodes become layers of our own description. Nothing in the
 * file is executed; what is not supported is refused by the node's name.
 */
import { InputError } from '../../io/errors.ts'
import { type Network, validateDescription, validateNetwork, type Weight } from '../description.ts'
import type { Layer } from '../layer.ts'
import { formatSizes, product, type Sizes } from '../layer-rules.ts'
import type { Recipe } from '../recipe/recipe.ts'
import { constantValue, folds, shapeValue } from './onnx-constants.ts'
import { type Call, type Fixed, type Graph, isLive, type Live, makeCall, makeGraph, type Value } from './onnx-graph.ts'
import { operators } from './onnx-operators.ts'
import { isOnnx, type OnnxModel, type OnnxNode, type OnnxValue, readOnnxModel } from './onnx-proto.ts'
import { type ExternalData, isFloatType, type OnnxTensor } from './onnx-tensor.ts'

export { type ExternalData, isOnnx }

export interface OnnxOptions {
  /** Finds the files that hold weights outside of the model, by the name that it gives. */
  external?: ExternalData
  /** [C, D, H, W], where the file leaves these sizes open. */
  inputShape?: readonly number[]
  /** Which of several outputs to take. */
  output?: string
}

/** What the nodes of a file become. */
export interface OnnxGraph {
  readonly name: string
  /** [C, D, H, W]. */
  readonly input: readonly [number, number, number, number]
  readonly layers: readonly Layer[]
  readonly weights: ReadonlyMap<string, Weight>
  /** Sizes of the last layer's output for one sample. */
  readonly output: Sizes
  readonly metadata: ReadonlyMap<string, string>
}

/** The oldest operator set whose operators mean what they do here. */
const OLDEST = 6

/** All operators that can be read, for messages. */
export const onnxOperators: readonly string[] = [
  ...new Set([...Object.keys(operators), ...Object.keys(folds), 'Constant']),
].sort()

function describe(node: OnnxNode): string {
  return `the node "${node.name}" (${node.operator.slice(0, 80)})`
}

/** Where each value comes from. @throws InputError for a value that is made twice */
function producersOf({ nodes, initializers, inputs }: OnnxModel): Map<string, OnnxNode> {
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

/** The nodes an output needs, each after those it takes from. @throws InputError for a cycle or a value nobody makes */
function orderOf(
  output: string,
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
  visit(output, 'the graph')
  for (let top = stack.at(-1); top; top = stack.at(-1)) {
    const name = top.node.inputs[top.next++]
    if (name !== undefined) visit(name, describe(top.node))
    else {
      state.set(top.node, 'done')
      order.push(top.node)
      stack.pop()
    }
  }
  return order
}

function chosenOutput({ outputs }: OnnxModel, wanted?: string): string {
  const names = outputs.map((o) => o.name)
  const chosen = wanted ?? (names.length === 1 ? names[0] : undefined)
  if (names.length === 0) throw new InputError('the ONNX graph has no output')
  if (chosen === undefined || !names.includes(chosen)) {
    throw new InputError(`the ONNX graph has the outputs ${names.slice(0, 20).join(', ')}; choose one of them`)
  }
  return chosen
}

function chosenInput({ inputs, initializers }: OnnxModel): OnnxValue {
  const fixed = new Set(initializers.map((t) => t.name))
  const open = inputs.filter((i) => !fixed.has(i.name))
  if (open.length !== 1) {
    const names = open.slice(0, 20).map((i) => i.name)
    throw new InputError(`the ONNX graph has ${open.length} inputs (${names.join(', ')}); one is needed, the scan`)
  }
  if (open[0]!.elementType !== 0 && !isFloatType(open[0]!.elementType)) {
    throw new InputError(
      `the input "${open[0]!.name}" takes integers (ONNX type ${open[0]!.elementType}), not floating-point numbers`,
    )
  }
  return open[0]!
}

/** The batch and the sizes of one sample. */
function inputSizes({ name, shape }: OnnxValue, given?: readonly number[]): { batch: number; sizes: number[] } {
  const sizes = given ? [...given] : shape?.slice(1)
  const shown = shape ? `[${shape.map((n) => n ?? '?').join(', ')}]` : 'not given'
  if (!sizes?.length || sizes.some((n) => n === undefined)) {
    throw new InputError(
      `the shape of the input "${name}" is ${shown}; only the batch axis may be open: give the input shape`,
    )
  }
  if (given && shape && (shape.length !== given.length + 1 || shape.slice(1).some((n, k) => n && n !== given[k]))) {
    throw new InputError(`the input shape ${formatSizes(given)} does not fit "${name}", which is ${shown}`)
  }
  const batch = shape?.[0] ?? 1
  if (![batch, ...sizes].every((n) => Number.isInteger(n) && n! > 0) || sizes.length > 4) {
    throw new InputError(`the input "${name}" is ${shown}; a batch of [C, D, H, W], all at least 1, is needed`)
  }
  return { batch, sizes: sizes as number[] }
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
        : /^(Add|Sub|Mul|Div|Pow|Mod|Equal|Greater|Less|Gather)$/.test(node.operator)
          ? 2
          : 1
    if (inputs.length < fewest) throw new InputError(`takes ${fewest} inputs or more, got ${inputs.length}`)
    return [folds[node.operator]!(call, inputs as Fixed[], g)]
  }
  if (!Object.hasOwn(operators, node.operator)) {
    throw new InputError(`is not supported (operator set ${g.opset}); supported: ${onnxOperators.join(', ')}`)
  }
  const made = operators[node.operator]!(call, g)
  return Array.isArray(made) ? made : [made as Live]
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

/**
 * The layers of an ONNX file, whatever its output means (importOnnx wants classes).
 * @throws InputError naming the node, tensor or value that is damaged or not supported
 */
export function readOnnxGraph(bytes: Uint8Array, options: OnnxOptions = {}): OnnxGraph {
  const model = readOnnxModel(bytes, options.external)
  const opset = model.opsets.get('')
  if (opset === undefined) {
    const domains = [...model.opsets.keys()].slice(0, 5).join(', ') || 'none'
    throw new InputError(`its operator sets are ${domains.slice(0, 200)}; ONNX's own is needed`)
  }
  if (opset < OLDEST) throw new InputError(`its operator set is ${opset}; ${OLDEST} and later are supported`)
  const source = chosenInput(model)
  const output = chosenOutput(model, options.output)
  const { batch, sizes } = inputSizes(source, options.inputShape)
  const input = [sizes[0]!, 1, 1, 1] as [number, number, number, number]
  sizes.slice(1).forEach((n, k) => {
    input[k + 5 - sizes.length] = n
  })
  const g = makeGraph(input, batch, opset, 2 ** 20 + bytes.length)
  const values = new Map<string, Value>()
  for (const tensor of model.initializers) {
    if (values.has(tensor.name)) throw new InputError(`the tensor "${tensor.name}" is there twice`)
    values.set(tensor.name, decodedOnce(tensor))
  }
  values.set(source.name, { layer: 'input', sizes })
  const producers = producersOf(model)
  const order = orderOf(output, producers, (name) => values.has(name))
  const takers = new Map([[output, 1]])
  for (const name of order.flatMap((node) => node.inputs)) takers.set(name, (takers.get(name) ?? 0) + 1)
  for (const node of order) {
    const alone = node.inputs.map((n) => takers.get(n) === 1 && LINEAR.includes(producers.get(n)?.operator ?? ''))
    const outputs = node.outputs.map((n) => takers.has(n))
    try {
      const inputs = node.inputs.map((name) => (name === '' ? undefined : values.get(name)))
      const call = makeCall(node, inputs, { outputs, alone }, options.external)
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
  return finish(model, values.get(output), input, g)
}

function finish(model: OnnxModel, result: Value | undefined, input: OnnxGraph['input'], g: Graph): OnnxGraph {
  if (!result || !isLive(result)) throw new InputError('the output of the ONNX graph does not depend on its input')
  const last = g.settle(result)
  if (last === 'input') throw new InputError('the output of the ONNX graph is its input')
  // The output is the last layer; whatever came after it was not needed.
  const { layers } = g
  const at = layers.findIndex((l) => l.name === last)
  if (at < layers.length - 1) g.add('output', 'scale', [{ layer: last, sizes: result.sizes }], { factor: 1, offset: 0 })
  return { name: model.name, input, layers, weights: g.weights, output: result.sizes, metadata: model.metadata }
}

/** One sigmoid, p = P(class 1), is a softmax over the logits (0, z): the same network with two outputs. */
function twoClasses(layers: readonly Layer[]): Layer[] {
  const last = layers.at(-1)!
  const { name, inputs } = last
  const join: Layer = { name: `${name}_logits`, type: 'concat', inputs: [`${name}_zero`, ...inputs], axis: 1 }
  return [
    ...layers.slice(0, -1),
    { name: `${name}_zero`, type: 'scale', inputs, factor: 0, offset: 0 },
    join,
    { name, type: 'softmax', inputs: [join.name] },
  ]
}

/** The recipe that our own export writes beside the network. */
function recipeOf(metadata: ReadonlyMap<string, string>): unknown {
  const text = metadata.get('voxplain.recipe')
  if (text === undefined) return undefined
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new InputError(`its voxplain.recipe is not JSON (${(error as Error).message})`)
  }
}

/**
 * A classifier from an ONNX file. A final softmax gives probabilities; one final sigmoid becomes two classes.
 * @param recipe the input recipe; default what the file's notes say (our own export), else plainRecipe
 * @throws InputError for anything that is not such a file, or holds something that is not supported
 */
export function importOnnx(bytes: Uint8Array, options: OnnxOptions = {}, recipe?: Recipe): Network {
  const graph = readOnnxGraph(bytes, options)
  const last = graph.layers.at(-1)!
  const isOne = last.type === 'sigmoid' && product(graph.output) === 1 && graph.output.length === 1
  const layers = isOne ? twoClasses(graph.layers) : graph.layers
  const json = {
    format: 'voxplain-network',
    version: 1,
    name: graph.name.slice(0, 200) || 'onnx',
    input: graph.input,
    layers,
    output: layers.at(-1)!.type === 'softmax' ? 'probabilities' : 'logits',
    recipe: recipe ?? recipeOf(graph.metadata),
  }
  return validateNetwork(validateDescription(json), graph.weights)
}
