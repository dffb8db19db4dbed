/**
 * Import of ONNX files (operator sets 6 and later): the graph's nodes become layers of our own description. Nothing in the
 * file is executed; what is not supported is refused by the node's name. Graphs that are no classifiers or segmentations are
 * run by onnx-run.ts.
 */
import { InputError } from '../../io/errors.ts'
import { layerShapes, type Network, validateDescription, validateNetwork, type Weight } from '../description.ts'
import type { Layer, LayerType } from '../layer.ts'
import { formatSizes, type Sizes } from '../layer-rules.ts'
import type { Recipe } from '../recipe/recipe.ts'
import { fixedArray, type OnnxArray } from './onnx-array.ts'
import { type ArgMax, convertModel, onnxOperators } from './onnx-convert.ts'
import { type Graph, isLive, type Live, volume } from './onnx-graph.ts'
import { isOnnx, type OnnxModel, type OnnxValue, readOnnxModel } from './onnx-proto.ts'
import { type ExternalData, isFloatType } from './onnx-tensor.ts'

export { type ExternalData, isOnnx, type OnnxArray, onnxOperators }

export interface OnnxOptions {
  /** Finds the files that hold weights outside of the model, by the name that it gives. */
  external?: ExternalData
  /** [C, D, H, W], where the file leaves these sizes open. */
  inputShape?: readonly number[]
  /** Which of several outputs to take. */
  output?: string
  /** Values of the graph's inputs other than the scan, by name, where a file takes its weights as inputs. */
  inputs?: Readonly<Record<string, OnnxArray>>
  /** The single number that the network gives (for a scan, or for each voxel) is the logit of the second of two classes. */
  binary?: boolean
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
  /** Set where the graph ends with an ArgMax, which is left out: `output` is what it chooses from. */
  readonly argMax?: ArgMax
  readonly metadata: ReadonlyMap<string, string>
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

/** The graph's inputs that it has no values for. */
export function openInputs({ inputs, initializers }: OnnxModel): OnnxValue[] {
  const fixed = new Set(initializers.map((t) => t.name))
  return inputs.filter((i) => !fixed.has(i.name))
}

function chosenInput(model: OnnxModel, given: Readonly<Record<string, OnnxArray>>): OnnxValue {
  const unknown = Object.keys(given).find((name) => !model.inputs.some((i) => i.name === name))
  if (unknown !== undefined) throw new InputError(`the ONNX graph has no input "${unknown.slice(0, 80)}"`)
  const open = openInputs(model).filter((i) => !Object.hasOwn(given, i.name))
  if (open.length !== 1) {
    const names = open.slice(0, 20).map((i) => i.name)
    throw new InputError(
      `the ONNX graph has ${open.length} inputs (${names.join(', ')}); one is needed, the scan: give the values of the others`,
    )
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

/** The sizes of a sample as [C, D, H, W]. Three axes are a scan without an axis of channels, or its slices as channels. */
function inputOf(sizes: Sizes): readonly [number, number, number, number] {
  if (sizes.length === 3) return [1, ...(sizes as [number, number, number])]
  const [channels, ...spatial] = sizes as [number, ...number[]]
  return [channels, ...new Array<number>(3 - spatial.length).fill(1), ...spatial] as [number, number, number, number]
}

/** @param end the form that the output is wanted in */
function convert(bytes: Uint8Array, options: OnnxOptions, end: (x: Live) => Live): OnnxGraph {
  const model = readOnnxModel(bytes, options.external)
  const given = new Map(Object.entries(options.inputs ?? {}).map(([name, array]) => [name, fixedArray(array)]))
  const source = chosenInput(model, options.inputs ?? {})
  const output = chosenOutput(model, options.output)
  const { batch, sizes } = inputSizes(source, options.inputShape)
  const input = inputOf(sizes)
  const scan = { name: source.name, batch, sizes }
  const budget = 2 ** 20 + bytes.length
  const { g, outputs } = convertModel(model, {
    scan,
    input,
    given,
    outputs: [output],
    external: options.external,
    budget,
  })
  const [{ value, argMax }] = outputs as [(typeof outputs)[0]]
  if (!isLive(value)) throw new InputError('the output of the ONNX graph does not depend on its input')
  const result = end(value)
  const last = g.settle(result)
  if (last === 'input') throw new InputError('the output of the ONNX graph is its input')
  const { layers, weights } = neededFor(last, g)
  const { name, metadata } = model
  const ends = result.sizes.length === 0 ? [1] : result.sizes
  return { name, input, layers, weights, output: ends, ...(argMax && { argMax }), metadata }
}

/** The layers that a layer depends on, itself the last, and their weights: what was converted in another way leaves some over. */
function neededFor(last: string, { layers, weights }: Graph) {
  const needed = new Set([last])
  for (const { name, inputs } of layers.toReversed()) {
    if (needed.has(name)) for (const input of inputs) needed.add(input)
  }
  return {
    layers: layers.filter(({ name }) => needed.has(name)),
    weights: new Map([...weights].filter(([name]) => needed.has(name.slice(0, name.lastIndexOf('.'))))),
  }
}

/**
 * The layers of an ONNX file, whatever its output means (importOnnx wants classes).
 * @throws InputError naming the node, tensor or value that is damaged or not supported
 */
export function readOnnxGraph(bytes: Uint8Array, options: OnnxOptions = {}): OnnxGraph {
  return convert(bytes, options, (x) => x)
}

/** Layers that change shapes. Where all axes but one have size 1, they keep the order of values. */
const VIEWS: readonly LayerType[] = ['flatten', 'reshape', 'transpose']

/**
 * The layers with the softmax or sigmoid last that makes probabilities. What changes the shape after it changes it before
 * (heads that are convolutions end with [classes, 1, 1, 1]), and a log-softmax, or its exponential, becomes the softmax: then
 * the network's logits are what it is taken of.
 */
function probabilitiesLast({ input, layers, output }: OnnxGraph): readonly Layer[] {
  const isChain = (k: number): boolean => layers[k]!.inputs[0] === layers[k - 1]?.name
  let at = layers.length - 1
  while (output.length === 1 && VIEWS.includes(layers[at]!.type) && isChain(at)) at--
  if (layers[at]!.type === 'exp' && isChain(at) && layers[at - 1]!.type === 'logSoftmax') at--
  const end = layers[at]!
  const isSoftmax = end.type === 'softmax' || end.type === 'logSoftmax'
  // A softmax over some of the numbers only makes no probabilities of classes.
  const { shape } = layerShapes({ input, layers })[at]!
  if (!(isSoftmax ? shape[0] === output[0] : end.type === 'sigmoid')) return layers
  const before = { name: `${end.name}_flatten`, type: 'flatten', inputs: end.inputs } as const
  const flatten = shape.length > output.length ? [before] : []
  const last = { ...end, type: isSoftmax ? 'softmax' : 'sigmoid', inputs: flatten[0] ? [before.name] : end.inputs }
  return [...layers.slice(0, at), ...flatten, last as Layer]
}

/** One logit z of the second class, P = sigmoid(z), is a softmax over the logits (0, z): the same network with two outputs. */
function twoClasses(layers: readonly Layer[]): Layer[] {
  const last = layers.at(-1)!
  const isSigmoid = last.type === 'sigmoid'
  const [name, logit] = isSigmoid ? [last.name, last.inputs[0]!] : [`${last.name}_classes`, last.name]
  const join: Layer = { name: `${name}_logits`, type: 'concat', inputs: [`${name}_zero`, logit], axis: 1 }
  return [
    ...(isSigmoid ? layers.slice(0, -1) : layers),
    { name: `${name}_zero`, type: 'scale', inputs: [logit], factor: 0, offset: 0 },
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

/** What an output of such sizes means, as it is told apart from others. */
function outputOf(graph: OnnxGraph, layers: readonly Layer[]): 'logits' | 'probabilities' | 'segmentation' {
  if (graph.argMax && graph.argMax.axis !== 1) {
    throw new InputError(`its ArgMax is along axis ${graph.argMax.axis}; classes are expected along axis 1`)
  }
  if (graph.output.length > 1) return 'segmentation'
  return layers.at(-1)!.type === 'softmax' ? 'probabilities' : 'logits'
}

/**
 * A classifier or a segmentation from an ONNX file, told apart by the output: one number a class, or a volume a class,
 * [N, classes, D, H, W]. A final softmax or log-softmax over the classes gives probabilities; one final sigmoid, or a single logit with
 * `options.binary`, becomes two classes with the probabilities [1 - p, p]; several sigmoids are taken as they are; a final
 * ArgMax over the classes is left out.
 * @param recipe the input recipe; default what the file's notes say (our own export), else plainRecipe
 * @throws InputError for anything that is not such a file, or holds something that is not supported
 */
export function importOnnx(bytes: Uint8Array, options: OnnxOptions = {}, recipe?: Recipe): Network {
  const graph = convert(bytes, options, (x) => (x.sizes.length > 1 ? volume(x) : x))
  const found = probabilitiesLast(graph)
  const isOne = graph.output[0] === 1 && (options.binary || found.at(-1)!.type === 'sigmoid')
  const layers = isOne ? twoClasses(found) : found
  if (graph.output[0] === 1 && !isOne) {
    throw new InputError(
      `its output is one number ${graph.output.length > 1 ? 'a voxel' : 'a scan'} without a sigmoid: it may be the logit of the second of two classes (option "binary", on the command line --binary), or no class at all`,
    )
  }
  const json = {
    format: 'voxplain-network',
    version: 1,
    name: graph.name.slice(0, 200) || 'onnx',
    input: graph.input,
    layers,
    output: outputOf(graph, layers),
    recipe: recipe ?? recipeOf(graph.metadata),
  }
  return validateNetwork(validateDescription(json), graph.weights)
}
