/**
 * What the ONNX operators are converted with: the layers so far, and the values that flow between operators. A value is
 * either fixed (weights, shape arithmetic) or live, the output of one of our layers under a shape of its own: Reshape,
 * Flatten and Squeeze only change the shape, and a reshape layer is made when an operator needs the values so.
 */
import { InputError } from '../../io/errors.ts'
import { layerShape, readLayer, type Weight } from '../description.ts'
import type { Layer, LayerType } from '../layer.ts'
import { formatSizes, product, type Sizes } from '../layer-rules.ts'
import { type OnnxAttribute, type OnnxNode, readAttributes } from './onnx-proto.ts'
import type { ExternalData, OnnxTensor } from './onnx-tensor.ts'

/** The output of a layer; sizes leave the batch axis out, as everywhere in descriptions. */
export interface Live {
  readonly layer: string
  readonly sizes: Sizes
}

/** Known numbers, row-major. */
export interface Fixed {
  readonly shape: Sizes
  readonly integer: boolean
  /** Name of the graph's input that they are the values of, which may be used as a live value as well. */
  readonly source?: string
  read(): Float32Array | Float64Array
}

export type Value = Live | Fixed

export function isLive(value: Value): value is Live {
  return 'layer' in value
}

export interface Graph {
  /** Samples the file was made for; 1 where it leaves that open. */
  readonly batch: number
  /** Version of ONNX's own operator set. */
  readonly opset: number
  readonly layers: Layer[]
  readonly weights: Map<string, Weight>
  /** Adds a layer on top of live values. */
  add(
    name: string,
    type: LayerType,
    inputs: readonly Live[],
    attributes?: Readonly<Record<string, unknown>>,
    weights?: Readonly<Record<string, Weight>>,
  ): Live
  /** The layer that has the value in exactly its sizes. */
  settle(x: Live): string
  /** Sizes of what a layer gives. */
  sizesOf(layer: string): Sizes
  /**
   * Known numbers as a live value: an input of its own where they are one and have a row for each sample, else a layer of
   * constants. @throws InputError when they differ between samples
   */
  lift(value: Fixed, name: string): Live
  /** Inputs of layers other than 'input': sizes by the name that layers take them by. */
  readonly inputs: ReadonlyMap<string, Sizes>
  /** Replaces a layer by one with a bias. */
  addBias(x: Live, bias: Weight): void
  /** Counts numbers that are computed here rather than read. @throws InputError when a small file asks for many */
  spend(count: number): void
}

/** Whether a constant has the same row for each sample: what a file that was made for a batch expands. */
function isRepeated(value: Fixed): boolean {
  const size = product(value.shape.slice(1))
  const values = value.read()
  return values.length > 0 && values.every((v, k) => Object.is(v, values[k % size]))
}

export function sameSizes(a: Sizes, b: Sizes): boolean {
  return a.length === b.length && a.every((n, k) => n === b[k])
}

/** One more than networks have; validateDescription has the same limit. */
const MOST_LAYERS = 10_000

/** @param budget numbers that may be computed while importing */
export function makeGraph(input: Sizes, batch: number, opset: number, budget: number): Graph {
  const shapes = new Map<string, Sizes>([['input', input]])
  const layers: Layer[] = []
  const earlier = new Set<string>()
  const weights = new Map<string, Weight>()
  const settled = new Map<string, string>()
  const lifted = new Map<Fixed, Live>()
  const inputs = new Map<string, Sizes>()
  let spent = 0
  const push = (wanted: string, type: LayerType, inputs: readonly string[], attributes: object): string => {
    const base = wanted.slice(0, 190)
    let name = base
    for (let k = 1; shapes.has(name); k++) name = `${base}_${k}`
    const layer = readLayer({ name, type, inputs, ...attributes }, earlier, 'input')
    const { shape } = layerShape(
      layer,
      inputs.map((i) => shapes.get(i)!),
    )
    if (layers.push(layer) > MOST_LAYERS) throw new InputError(`the network has more than ${MOST_LAYERS} layers`)
    earlier.add(name)
    shapes.set(name, shape)
    return name
  }
  const settle = (x: Live): string => {
    const own = shapes.get(x.layer)!
    // One number a sample has an axis of its own.
    const sizes = x.sizes.length === 0 ? [1] : x.sizes
    if (sameSizes(own, sizes)) return x.layer
    const key = `${sizes.join(' ')} ${x.layer}`
    const type = sizes.length === 1 ? 'flatten' : 'reshape'
    const attributes = type === 'reshape' ? { shape: sizes } : {}
    const name = settled.get(key) ?? push(`${x.layer}_${type}`, type, [x.layer], attributes)
    settled.set(key, name)
    return name
  }
  const add: Graph['add'] = (wanted, type, from, attributes = {}, values = {}) => {
    const name = push(wanted, type, from.map(settle), attributes)
    for (const [key, value] of Object.entries(values)) weights.set(`${name}.${key}`, value)
    const sizes = shapes.get(name)!
    const isSingle = from.length > 0 && from.every((x) => x.sizes.length === 0) && sizes.length === 1 && sizes[0] === 1
    return { layer: name, sizes: isSingle ? [] : sizes }
  }
  const lift = (value: Fixed, wanted: string): Live => {
    if (value.integer) throw new InputError('it takes a constant of integers where values of the network are needed')
    const [rows, ...rest] = value.shape
    const sizes = rest.length === 0 ? [1] : rest
    if (value.source !== undefined && rows === batch) {
      const layer = `input:${value.source}`
      earlier.add(layer)
      shapes.set(layer, sizes)
      inputs.set(layer, sizes)
      return { layer, sizes: rest }
    }
    if (!(rows === 1 || (rows === batch && isRepeated(value)))) {
      throw new InputError(
        `it takes a constant of ${formatSizes(value.shape)} where values of the network are needed, which would have to be the same for all samples`,
      )
    }
    const one = { ...value, shape: sizes, read: () => value.read().subarray(0, product(sizes)) }
    return { ...add(wanted, 'constant', [], { shape: sizes }, { weight: asWeight(one, sizes, 'values') }), sizes: rest }
  }
  return {
    batch,
    opset,
    layers,
    weights,
    inputs,
    settle,
    sizesOf: (layer) => shapes.get(layer)!,
    add,
    lift(value, name) {
      const known = lifted.get(value) ?? lift(value, `${name}_constant`)
      lifted.set(value, known)
      return known
    },
    addBias(x, bias) {
      const at = layers.findIndex((l) => l.name === x.layer)
      layers[at] = { ...layers[at]!, bias: true } as Layer
      weights.set(`${x.layer}.bias`, bias)
    },
    spend(count) {
      spent += count
      if (!(spent <= budget)) throw new InputError('its constants grow far beyond what the file holds')
    },
  }
}

/** A node as the converters see it. */
export interface Call {
  readonly name: string
  readonly operator: string
  readonly inputs: readonly (Value | undefined)[]
  /** Outputs that somebody takes. */
  readonly outputs: readonly boolean[]
  /** Whether nobody but this node takes input k. */
  readonly alone: readonly boolean[]
  /** Known numbers as a live value. @throws InputError when they differ between samples */
  lift(value: Fixed): Live
  has(attribute: string): boolean
  number(attribute: string, otherwise: number): number
  numbers(attribute: string): number[] | undefined
  text(attribute: string, otherwise: string): string
  tensor(attribute: string): OnnxTensor | undefined
}

/** @throws InputError, here and when an attribute is of another kind than the operator has */
export function makeCall(
  node: OnnxNode,
  inputs: Call['inputs'],
  uses: Pick<Call, 'outputs' | 'alone' | 'lift'>,
  external?: ExternalData,
): Call {
  const attributes = readAttributes(node, external)
  const get = <T extends OnnxAttribute>(
    name: string,
    kind: string,
    is: (v: OnnxAttribute) => v is T,
  ): T | undefined => {
    const value = attributes.get(name)
    if (value === undefined || is(value)) return value
    throw new InputError(`its attribute "${name}" is not ${kind}`)
  }
  const isNumber = (v: OnnxAttribute) => typeof v === 'number'
  const isText = (v: OnnxAttribute) => typeof v === 'string'
  const isNumbers = (v: OnnxAttribute): v is readonly number[] => Array.isArray(v) && typeof v[0] !== 'string'
  const isTensor = (v: OnnxAttribute): v is OnnxTensor => typeof v === 'object' && 'read' in v
  return {
    name: node.name,
    operator: node.operator,
    inputs,
    ...uses,
    has: (name) => attributes.has(name),
    number: (name, otherwise) => get(name, 'a number', isNumber as (v: OnnxAttribute) => v is number) ?? otherwise,
    numbers(name) {
      const found = get(name, 'a list of numbers', isNumbers)
      return found && [...found]
    },
    text: (name, otherwise) => get(name, 'a text', isText as (v: OnnxAttribute) => v is string) ?? otherwise,
    tensor: (name) => get(name, 'a tensor', isTensor),
  }
}

/** Input k as values of the network, constant ones where need be. */
export function liveInput(call: Call, k: number): Live {
  const value = call.inputs[k]
  if (!value) throw new InputError(`its input ${k} is missing`)
  return isLive(value) ? value : call.lift(value)
}

/** Input k as a partner of x in arithmetic: constants get numpy's leading axes of size 1. */
export function partner(call: Call, k: number, x: Live): Live {
  const value = call.inputs[k]
  if (!value || isLive(value)) return liveInput(call, k)
  const missing = x.sizes.length + 1 - value.shape.length
  if (missing < 0) {
    throw new InputError(
      `its constant ${formatSizes(value.shape)} has more axes than a batch of ${formatSizes(x.sizes)}`,
    )
  }
  if (missing === 0) return call.lift(value)
  return call.lift({ ...value, source: undefined, shape: [...new Array<number>(missing).fill(1), ...value.shape] })
}

/** Input k, which must not depend on the network's input; undefined where it is left out. */
export function fixedInput(call: Call, k: number, what: string): Fixed | undefined {
  const value = call.inputs[k]
  if (value && isLive(value))
    throw new InputError(`its ${what} are computed from the scan; only constant ones are supported`)
  return value
}

export function neededInput(call: Call, k: number, what: string): Fixed {
  const value = fixedInput(call, k, what)
  if (!value) throw new InputError(`its ${what} are missing`)
  return value
}

/** The few numbers of an input, or of an attribute as older operator sets have them. */
export function shortList(call: Call, k: number, attribute: string): number[] | undefined {
  const value = fixedInput(call, k, attribute)
  if (!value) return call.numbers(attribute)
  if (product(value.shape) > 1000) throw new InputError(`its ${attribute} ${formatSizes(value.shape)} are too many`)
  return [...value.read()]
}

/** A weight as our layers want it: float32, of this shape (the same numbers in the same order). */
export function asWeight(value: Fixed, shape: Sizes, what: string): Weight {
  if (product(value.shape) !== product(shape)) {
    throw new InputError(`its ${what} have the shape ${formatSizes(value.shape)}; ${formatSizes(shape)} is needed`)
  }
  const data = value.read()
  return { shape, data: data instanceof Float32Array ? data : Float32Array.from(data) }
}

/** An axis counted from the front, of a value of `rank` axes. */
export function axisOf(axis: number, rank: number): number {
  const counted = axis < 0 ? axis + rank : axis
  if (!Number.isInteger(counted) || counted < 0 || counted >= rank) {
    throw new InputError(`its axis ${axis} does not exist: its input has ${rank} axes`)
  }
  return counted
}

/** An axis behind the batch axis, as an index of sizes. */
export function sizesAxis(axis: number, x: Live): number {
  const counted = axisOf(axis, x.sizes.length + 1)
  if (counted === 0) throw new InputError('it works along the batch axis; samples have to stay apart')
  return counted - 1
}

/** The value with three spatial axes: those that it lacks are put behind the channels, of size 1. */
export function volume(x: Live): Live {
  const [channels, ...spatial] = x.sizes
  if (channels === undefined || spatial.length > 3) {
    throw new InputError(
      `takes a batch of channels with up to three spatial axes, got ${formatSizes(x.sizes)} a sample`,
    )
  }
  return { ...x, sizes: [channels, ...new Array<number>(3 - spatial.length).fill(1), ...spatial] }
}

/** Undoes `volume` on the result of a layer: as many axes as `x` has. */
export function likeAxes(result: Live, x: Live): Live {
  const channels = result.sizes[0]!
  const spatial = result.sizes.length === 1 ? [1, 1, 1] : result.sizes.slice(1)
  return { ...result, sizes: [channels, ...spatial.slice(4 - x.sizes.length)] }
}
