/**
 * Runs any ONNX graph of supported operators on given inputs: single operators, segmentations, parts of networks. Weights may
 * be inputs, and there may be several outputs.
 */
import { compile } from '../../engine/compile.ts'
import { type Gpu, release } from '../../engine/gpu.ts'
import { parameter, input as placeholder, type Tensor } from '../../engine/tensor.ts'
import { InputError } from '../../io/errors.ts'
import { buildLayers } from '../build.ts'
import { formatSizes, product, type Sizes } from '../layer-rules.ts'
import { openInputs } from './onnx.ts'
import { fixedArray, type OnnxArray, roundedTo } from './onnx-array.ts'
import { type ArgMax, type ConvertedOutput, convertModel, type Task } from './onnx-convert.ts'
import { type Fixed, type Graph, isLive } from './onnx-graph.ts'
import { type OnnxModel, type OnnxValue, readOnnxModel } from './onnx-proto.ts'
import { type ExternalData, isFloatType, readTensorProto } from './onnx-tensor.ts'

export interface RunOnnxOptions {
  /** Finds the files that hold weights outside of the model, by the name that it gives. */
  external?: ExternalData
  /** Names of the outputs to compute; default all that have a name, in the file's order. */
  outputs?: readonly string[]
}

/** One output of a graph. */
export interface OnnxResult {
  readonly name: string
  /** With the batch axis, as the file means it. */
  readonly shape: readonly number[]
  /** Float32Array for floating-point numbers, Float64Array for integers and booleans. */
  readonly data: Float32Array | Float64Array
}

/** The array in the bytes of a TensorProto, as the ONNX project's test vectors have them (input_0.pb). @throws InputError */
export function readOnnxArray(bytes: Uint8Array): OnnxArray & { readonly name: string } {
  const tensor = readTensorProto(bytes)
  return { name: tensor.name, shape: tensor.shape, data: tensor.read() }
}

/**
 * Runs a graph once. The first axis of values is the batch: samples are computed apart, so that operators which mix them are
 * refused (unless all of their inputs are known, when they are computed while the graph is read).
 * @param bytes an .onnx file, operator set 6 or later
 * @param inputs an array for each input that has no initializer, by name or in the file's order; undefined leaves an optional one out
 * @throws InputError naming the node and operator, the input or the tensor that is damaged, missing or not supported; GpuError
 *   when the GPU fails
 */
export async function runOnnx(
  gpu: Gpu,
  bytes: Uint8Array,
  inputs: Readonly<Record<string, OnnxArray>> | readonly (OnnxArray | undefined)[],
  options: RunOnnxOptions = {},
): Promise<OnnxResult[]> {
  const model = readOnnxModel(bytes, options.external)
  const given = namedInputs(model, inputs)
  const outputs = options.outputs ?? model.outputs.map((o) => o.name).filter((name) => name !== '')
  const task = { given, outputs, external: options.external, budget: 2 ** 20 + 4 * totalSize(bytes, given) }
  const { g, outputs: found, scan } = convertSomehow(model, task)
  const results = await runGraph(gpu, g, found, given, scan)
  // What the file computes in a smaller type is computed in float32 here; its outputs are what they would be.
  const types = new Map(model.outputs.map((o) => [o.name, o.elementType]))
  return results.map((r) => {
    const type = types.get(r.name) || 1
    return { ...r, data: isFloatType(type) ? roundedTo(r.data, type) : Float64Array.from(r.data) }
  })
}

function totalSize(bytes: Uint8Array, given: ReadonlyMap<string, Fixed>): number {
  return [...given.values()].reduce((sum, { shape }) => sum + 8 * product(shape), bytes.length)
}

function namedInputs(
  model: OnnxModel,
  inputs: Readonly<Record<string, OnnxArray>> | readonly (OnnxArray | undefined)[],
): Map<string, Fixed> {
  const open = openInputs(model)
  const isList = Array.isArray(inputs) as boolean
  const list = inputs as readonly (OnnxArray | undefined)[]
  const byName = inputs as Readonly<Record<string, OnnxArray>>
  if (isList && list.length > open.length) {
    throw new InputError(`${list.length} arrays are given for the ${open.length} inputs of the ONNX graph`)
  }
  const unknown = isList ? undefined : Object.keys(byName).find((name) => !model.inputs.some((i) => i.name === name))
  if (unknown !== undefined) throw new InputError(`the ONNX graph has no input "${unknown.slice(0, 80)}"`)
  const given = new Map<string, Fixed>()
  const values = isList ? open : model.inputs
  values.forEach((value, k) => {
    const array = isList ? list[k] : Object.hasOwn(byName, value.name) ? byName[value.name] : undefined
    if (!array) return
    checkShape(value, array.shape)
    given.set(value.name, fixedArray(array, value.name))
  })
  return given
}

function checkShape({ name, shape }: OnnxValue, found: Sizes): void {
  const fits = !shape || (shape.length === found.length && shape.every((n, k) => n === undefined || n === found[k]))
  if (fits) return
  throw new InputError(
    `the input "${name}" is [${shape.map((n) => n ?? '?').join(', ')}], but an array of ${formatSizes(found)} is given`,
  )
}

/** Operators that only move or choose values, which integers survive in float32. */
const MOVING = new Set(
  'Concat Expand Flatten Gather Identity MaxPool Pad Reshape Slice Split Squeeze Tile Transpose Unsqueeze'.split(' '),
)
/** Integers up to this size are exact in float32. */
const LARGEST_EXACT = 2 ** 24

/** Whether the network may see an input: floating-point numbers, or integers that are only moved. */
function canSee(value: Fixed, model: OnnxModel): boolean {
  if (value.shape.length === 0 || product(value.shape) === 0) return false
  return (
    !value.integer ||
    (model.nodes.every((n) => MOVING.has(n.operator)) && value.read().every((v) => Math.abs(v) <= LARGEST_EXACT))
  )
}

/**
 * Converts with the first floating-point input as the one that the network sees; where that cannot be (it is used as weights),
 * with another; at last with none, all of them known numbers.
 */
function convertSomehow(model: OnnxModel, task: Omit<Task, 'scan'>) {
  const candidates = openInputs(model).filter(({ name }) => {
    const value = task.given.get(name)
    return value && canSee(value, model)
  })
  let first: InputError | undefined
  for (const candidate of [...candidates, undefined]) {
    const shape = candidate && task.given.get(candidate.name)!.shape
    const scan = candidate && { name: candidate.name, batch: shape![0]!, sizes: shape!.slice(1) }
    try {
      // One number a sample has an axis of its own.
      const input = scan && (scan.sizes.length === 0 ? [1] : scan.sizes)
      return { ...convertModel(model, { ...task, scan, input }), scan: candidate?.name }
    } catch (error) {
      if (!(error instanceof InputError)) throw error
      first ??= error
    }
  }
  throw first!
}

async function runGraph(
  gpu: Gpu,
  g: Graph,
  outputs: readonly ConvertedOutput[],
  given: ReadonlyMap<string, Fixed>,
  scan: string | undefined,
): Promise<OnnxResult[]> {
  const ends = outputs.map(({ value }) => (isLive(value) ? g.settle(value) : undefined))
  const sources = new Map([...g.inputs.keys()].map((layer) => [layer, layer.slice('input:'.length)]))
  if (scan !== undefined) sources.set('input', scan)
  const values = (layer: string) => Float32Array.from(given.get(sources.get(layer)!)!.read())
  const inputs = new Map<string, Tensor>()
  for (const [layer, source] of sources) {
    const { shape } = given.get(source)!
    inputs.set(layer, placeholder(shape.length === 1 ? [...shape, 1] : shape, source))
  }
  const parameters = new Map([...g.weights].map(([name, { shape, data }]) => [name, parameter(shape, data, name)]))
  const { layers } = buildLayers(g.layers, { inputs, parameters, batch: g.batch })
  const computed = new Map(
    ends.flatMap((end) => (end !== undefined && layers.has(end) ? [[end, layers.get(end)!]] : [])),
  )
  const read = new Map<string, Float32Array>()
  if (computed.size > 0) {
    const named = Object.fromEntries([...computed].map(([, tensor], k) => [`output ${k}`, tensor]))
    const program = await compile(gpu, named, { frozen: true })
    try {
      const used = new Set(program.inputs)
      for (const [layer, tensor] of inputs) if (used.has(tensor)) program.write(tensor, values(layer))
      program.run()
      for (const [end, tensor] of computed) read.set(end, await program.read(tensor))
    } finally {
      program.destroy()
      release(gpu, [...parameters.values()])
    }
  }
  return outputs.map(({ name, value, argMax }, k) => {
    const end = ends[k]
    const shape = isLive(value) ? [g.batch, ...value.sizes] : [...value.shape]
    const data = isLive(value) ? (read.get(end!) ?? values(end!)) : value.read()
    return argMax ? choose(name, shape, data, argMax) : { name, shape, data }
  })
}

/** Indices of the largest values along an axis. */
function choose(
  name: string,
  shape: Sizes,
  data: ArrayLike<number>,
  { axis, keepDims, lastOfEqual }: ArgMax,
): OnnxResult {
  const size = shape[axis]!
  const inner = product(shape.slice(axis + 1))
  const chosen = new Float64Array(product(shape) / size)
  for (let k = 0; k < chosen.length; k++) {
    const start = Math.floor(k / inner) * size * inner + (k % inner)
    let best = 0
    for (let a = 1; a < size; a++) {
      const [v, w] = [data[start + a * inner]!, data[start + best * inner]!]
      if (v > w || (lastOfEqual && v === w)) best = a
    }
    chosen[k] = best
  }
  return { name, shape: shape.toSpliced(axis, 1, ...(keepDims ? [1] : [])), data: chosen }
}
