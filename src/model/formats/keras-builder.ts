/**
 * What the Keras layer converters build with: layers of our own description, their shapes so far, and weights.
 */
import { InputError } from '../../io/errors.ts'
import { layerShape, readLayer, type Weight } from '../description.ts'
import type { Layer, LayerType } from '../layer.ts'
import { formatSizes, product, type Sizes } from '../layer-rules.ts'
import type { Hdf5Group } from './hdf5.ts'
import type { KerasCall } from './keras-config.ts'
import { readObject, show } from './read-json.ts'

/** Whether the network keeps channels last (Keras' default) or first. Our tensors are always [C, D, H, W]. */
export type Layout = 'last' | 'first'

export interface Builder {
  readonly layout: Layout
  readonly layers: Layer[]
  readonly weights: Map<string, Weight>
  /** Adds a layer and returns its name: the wanted one, or with a number where that is taken. */
  add(name: string, type: LayerType, inputs: readonly string[], attributes?: Readonly<Record<string, unknown>>): string
  /** Shape of a layer's output (or 'input') without the batch axis. */
  shape(name: string): Sizes
  set(layer: string, weight: string, value: Weight): void
}

export function makeBuilder(input: Sizes, layout: Layout): Builder {
  const shapes = new Map<string, Sizes>([['input', input]])
  const layers: Layer[] = []
  const earlier = new Set<string>()
  const weights = new Map<string, Weight>()
  return {
    layout,
    layers,
    weights,
    add(wanted, type, inputs, attributes = {}) {
      let name = wanted
      for (let k = 1; shapes.has(name); k++) name = `${wanted}_${k}`
      const layer = readLayer({ name, type, inputs, ...attributes }, earlier, 'input')
      const { shape } = layerShape(
        layer,
        inputs.map((i) => shapes.get(i)!),
      )
      layers.push(layer)
      earlier.add(name)
      shapes.set(name, shape)
      return name
    },
    shape: (name) => shapes.get(name)!,
    set: (layer, weight, value) => weights.set(`${layer}.${weight}`, value),
  }
}

/** The arrays of one Keras layer, handed out in the order Keras lists them (names differ between its versions). */
export interface KerasWeights {
  /** How many have not been handed out. */
  left(): number
  /** The next array. @throws InputError when there are no more, or its shape is another */
  next(what: string, shape: Sizes): Weight
}

/** Weights from the layer's group of an HDF5 file. */
export function kerasWeights(root: Hdf5Group, { layer }: KerasCall): KerasWeights {
  const group = root.group(layer)
  return handOut(group?.texts('weight_names') ?? [], (name) => group!.array(name))
}

/** Hands out the arrays of one layer by their names. */
export function handOut(names: readonly string[], array: (name: string) => Weight): KerasWeights {
  let used = 0
  return {
    left: () => names.length - used,
    next(what, shape) {
      const name = names[used++]
      if (name === undefined) throw new InputError(`its ${what} ${formatSizes(shape)} is missing from the file`)
      const weight = array(name)
      if (weight.shape.length !== shape.length || shape.some((n, k) => n !== weight.shape[k])) {
        throw new InputError(
          `its ${what} "${name}" has the shape ${formatSizes(weight.shape)}, but ${formatSizes(shape)} is needed`,
        )
      }
      return weight
    },
  }
}

/** The array with its axes in another order: axis k of the result is axis order[k] of w. */
export function permute({ shape, data }: Weight, order: readonly number[]): Weight {
  const strides = shape.map((_, k) => product(shape.slice(k + 1)))
  const sizes = order.map((a) => shape[a]!)
  const steps = order.map((a) => strides[a]!)
  const result = new Float32Array(data.length)
  const at = order.map(() => 0)
  for (let k = 0, source = 0; k < result.length; k++) {
    result[k] = data[source]!
    for (let a = sizes.length - 1; a >= 0; a--) {
      source += steps[a]!
      if (++at[a]! < sizes[a]!) break
      source -= steps[a]! * sizes[a]!
      at[a] = 0
    }
  }
  return { shape: sizes, data: result }
}

/** An array of one repeated value. */
export function filled(shape: Sizes, value: number): Weight {
  return { shape, data: new Float32Array(product(shape)).fill(value) }
}

/** The first of several config fields that is there (Keras 1 and 2 names differ). */
export function field(config: KerasCall['config'], ...names: string[]): unknown {
  return names.map((n) => config[n]).find((v) => v !== undefined && v !== null)
}

/** A number; Keras also writes {"type": "ndarray", "value": 0.1}. */
export function numberField(config: KerasCall['config'], otherwise: number, ...names: string[]): number {
  const value = field(config, ...names)
  if (value === undefined) return otherwise
  const number = typeof value === 'object' ? Number(readObject(value, names[0]!).value) : value
  if (typeof number !== 'number' || !Number.isFinite(number))
    throw new InputError(`its ${names[0]} is ${show(value)}, no number`)
  return number
}

/** Three positive integers; one stands for all. */
export function tripleField(
  config: KerasCall['config'],
  otherwise: number[] | undefined,
  ...names: string[]
): number[] {
  const value = field(config, ...names) ?? otherwise
  const list = typeof value === 'number' ? [value, value, value] : value
  if (!Array.isArray(list) || list.length !== 3 || !list.every((n) => Number.isInteger(n) && n > 0)) {
    throw new InputError(`its ${names[0]} is ${show(value)}, not three positive integers`)
  }
  return list
}
