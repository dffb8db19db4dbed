/**
 * The description of a network: its layers and its input recipe, as plain JSON. What is trained lives beside it as
 * weights named `<layer>.<weight>`.
 */
import { InputError } from '../io/errors.ts'
import { integerFrom, listOf, oneOf, optional, type Reader, readName, readObject, show } from './formats/read-json.ts'
import type { Layer, LayerType } from './layer.ts'
import { formatSizes, layerRules, layerTypes, product, type Sizes } from './layer-rules.ts'
import { plainRecipe, type Recipe, readRecipe } from './recipe/recipe.ts'

export interface NetworkDescription {
  readonly format: 'voxplain-network'
  readonly version: 1
  readonly name: string
  /** [C, D, H, W]. */
  readonly input: readonly [number, number, number, number]
  /** Each takes the network's input or earlier layers; the last one is the output. */
  readonly layers: readonly Layer[]
  /**
   * What the last layer gives: one number a class ('probabilities' means that it is a softmax), or 'segmentation', a volume
   * a class, [classes, D, H, W], logits or a softmax over the classes of each voxel. What such a network says about a whole
   * scan, and so what is explained, is the mean over its voxels; see scoreVoxels for some of them.
   */
  readonly output: 'logits' | 'probabilities' | 'segmentation'
  readonly recipe: Recipe
}

/** An array of trained values, row-major, last axis fastest. */
export interface Weight {
  readonly shape: readonly number[]
  readonly data: Float32Array
}

/** A description and its weights by name. */
export interface Network {
  readonly description: NetworkDescription
  readonly weights: ReadonlyMap<string, Weight>
  /** Coefficients [covariates + 1, ...input], where the recipe takes residuals. */
  readonly residual?: Weight
}

/** What one layer makes of its inputs, for one sample. */
export interface LayerShape {
  readonly layer: Layer
  /** Output shape without the batch axis. */
  readonly shape: Sizes
  /** Shapes of the weights by full name. */
  readonly weights: ReadonlyMap<string, Sizes>
  /** Trained values (running statistics not counted). */
  readonly parameters: number
  readonly flops: number
}

/** Values of one layer for one sample; 4 GiB in float32. */
const LARGEST_ACTIVATION = 2 ** 30
const MOST_LAYERS = 10000

/** Runs a check of one layer and puts the layer's name in front of what it throws. */
function inLayer<T>(layer: { name: string; type: string }, check: () => T): T {
  try {
    return check()
  } catch (error) {
    if (error instanceof InputError) throw new InputError(`layer "${layer.name}" (${layer.type}): ${error.message}`)
    throw error
  }
}

/** Output shape, weights and cost of one layer. @throws InputError naming the layer when its inputs do not fit. */
export function layerShape(layer: Layer, inputs: readonly Sizes[]): LayerShape {
  return inLayer(layer, () => {
    // One rule per type: the union cannot be followed through the table.
    const rule = layerRules[layer.type] as (typeof layerRules)['conv3d']
    const l = layer as Extract<Layer, { type: 'conv3d' }>
    const shape = rule.shape(l, inputs)
    if (shape.some((n) => n < 1))
      throw new InputError(`nothing is left of ${formatSizes(inputs[0] ?? [])}: ${formatSizes(shape)}`)
    if (product(shape) > LARGEST_ACTIVATION) {
      throw new InputError(
        `its output ${formatSizes(shape)} has ${product(shape)} values, more than ${LARGEST_ACTIVATION}`,
      )
    }
    const own = Object.entries(rule.weights?.(l, inputs) ?? {})
    const weights = new Map(own.map(([name, sizes]) => [`${layer.name}.${name}`, sizes]))
    const trained = own.filter(([name]) => !name.startsWith('running_'))
    const parameters = trained.reduce((sum, [, sizes]) => sum + product(sizes), 0)
    if (parameters > LARGEST_ACTIVATION)
      throw new InputError(`it has ${parameters} weights, more than ${LARGEST_ACTIVATION}`)
    return { layer, shape, weights, parameters, flops: product(shape) + (rule.flops?.(l, inputs, shape) ?? 0) }
  })
}

/**
 * Shapes, weights and costs of all layers, in order, for one sample.
 * @throws InputError naming the first layer whose inputs do not fit
 */
export function layerShapes(description: Pick<NetworkDescription, 'input' | 'layers'>): LayerShape[] {
  const shapes = new Map<string, Sizes>([['input', description.input]])
  return description.layers.map((layer) => {
    const result = layerShape(
      layer,
      layer.inputs.map((name) => shapes.get(name)!),
    )
    shapes.set(layer.name, result.shape)
    return result
  })
}

/** Shapes of all weights a description needs, by name, in layer order. */
export function weightShapes(description: Pick<NetworkDescription, 'input' | 'layers'>): Map<string, Sizes> {
  return new Map(layerShapes(description).flatMap((l) => [...l.weights]))
}

/** Number of classes: the first size of the last layer's output. */
export function classCount(description: Pick<NetworkDescription, 'input' | 'layers'>): number {
  return layerShapes(description).at(-1)!.shape[0]!
}

const lowest = integerFrom(1)

/**
 * Checks and completes one layer of untrusted JSON.
 * @param earlier names of the layers before it
 * @param previous what it takes when it names no inputs
 * @throws InputError naming the layer
 */
export function readLayer(value: unknown, earlier: ReadonlySet<string>, previous: string): Layer {
  const what = `layers[${earlier.size}]`
  const json = readObject(value, what)
  const name = readName(json.name, `${what}.name`)
  if (name === 'input' || earlier.has(name)) {
    throw new InputError(`${what}.name "${name}" is taken: names must differ, and "input" is the network's input`)
  }
  const type = readName(json.type, `${what}.type`)
  if (!Object.hasOwn(layerRules, type)) {
    throw new InputError(`layer "${name}" has the unknown type "${type}"; supported: ${layerTypes.join(', ')}`)
  }
  return inLayer({ name, type }, () => {
    const { attributes, arity } = layerRules[type as LayerType]
    const inputs = optional(listOf(readName), arity[1] === 0 ? [] : [previous])(json.inputs, 'inputs')
    for (const source of inputs) {
      if (source !== 'input' && !earlier.has(source)) {
        throw new InputError(
          `its input "${source}" is no earlier layer; layers follow those they take from, without cycles`,
        )
      }
    }
    if (inputs.length < arity[0] || inputs.length > arity[1]) {
      throw new InputError(
        `takes ${arity[0]}${arity[1] > arity[0] ? ' or more inputs' : arity[0] === 1 ? ' input' : ' inputs'}, got ${inputs.length}`,
      )
    }
    for (const key of Object.keys(json)) {
      if (!['name', 'type', 'inputs'].includes(key) && !Object.hasOwn(attributes, key)) {
        throw new InputError(`has no attribute "${key}"; known: ${Object.keys(attributes).join(', ') || 'none'}`)
      }
    }
    const read = Object.entries(attributes).map(([key, reader]) => [key, (reader as Reader<unknown>)(json[key], key)])
    return { name, type, inputs, ...Object.fromEntries(read) } as Layer
  })
}

/**
 * Checks an untrusted description and completes it: every attribute present, in a fixed order, every layer's inputs named.
 * @param json parsed JSON; layers may leave out `inputs` (the previous layer) and attributes that have defaults
 * @throws InputError naming the layer and the value that is wrong
 */
export function validateDescription(json: unknown): NetworkDescription {
  const d = readObject(json, 'the network description')
  if (d.format !== 'voxplain-network') {
    throw new InputError(`not a network description: format must be "voxplain-network", got ${show(d.format)}`)
  }
  if (d.version !== 1)
    throw new InputError(`network description version ${show(d.version)} is not supported; this is version 1`)
  const name = readName(d.name, 'name')
  const input = listOf(lowest, 4)(d.input, 'input') as unknown as NetworkDescription['input']
  if (product(input) > LARGEST_ACTIVATION) throw new InputError(`input ${formatSizes(input)} is too large`)
  const list = listOf((value) => value)(d.layers, 'layers')
  if (list.length === 0 || list.length > MOST_LAYERS)
    throw new InputError(`layers: 1 to ${MOST_LAYERS}, got ${list.length}`)
  const names = new Set<string>()
  const layers: Layer[] = []
  for (const value of list) {
    const layer = readLayer(value, names, layers.at(-1)?.name ?? 'input')
    names.add(layer.name)
    layers.push(layer)
  }
  const output = oneOf('logits', 'probabilities', 'segmentation')(d.output, 'output')
  checkOutput(output, layerShapes({ input, layers }).at(-1)!)
  const classes = classCount({ input, layers })
  const recipe = d.recipe === undefined ? plainRecipe(classes) : readRecipe(d.recipe)
  const description = { format: 'voxplain-network', version: 1, name, input, layers, output, recipe } as const
  checkClasses(recipe, classes)
  return description
}

function checkOutput(output: NetworkDescription['output'], { layer, shape }: LayerShape): void {
  const gives = `the last layer "${layer.name}" gives ${formatSizes(shape)}`
  if (output === 'segmentation') {
    if (shape.length === 4 && shape[0]! >= 2) return
    throw new InputError(`${gives}; a segmentation needs a volume for each of two or more classes, [C, D, H, W]`)
  }
  if (shape.length !== 1 || shape[0]! < 2) {
    throw new InputError(`${gives}; one number for each of two or more classes is needed`)
  }
  if (output === 'probabilities' && layer.type !== 'softmax') {
    throw new InputError(`output "probabilities" needs a softmax as the last layer, got ${layer.type}`)
  }
}

function checkClasses(recipe: Recipe, classes: number): void {
  if (recipe.classes.length === classes) return
  throw new InputError(
    `the recipe names ${recipe.classes.length} classes (${recipe.classes.join(', ')}), but the network has ${classes}`,
  )
}

/**
 * The description with another recipe. A network that takes residuals goes on taking them, as its weights belong to them.
 * @throws InputError when the number of classes differs, or the recipe's own residuals are others
 */
export function withRecipe(description: NetworkDescription, recipe: Recipe): NetworkDescription {
  checkClasses(recipe, classCount(description))
  const { residual } = description.recipe
  if (recipe.residual && JSON.stringify(recipe.residual) !== JSON.stringify(residual)) {
    throw new InputError(`the recipe "${recipe.name}" takes residuals whose coefficients the network does not have`)
  }
  return { ...description, recipe: residual ? readRecipe({ ...recipe, residual }) : recipe }
}

/**
 * Checks that weights are those the description needs, in shape and with finite values.
 * @throws InputError naming the weight that is missing, unknown, of another shape, or not finite
 */
export function validateNetwork(description: NetworkDescription, weights: ReadonlyMap<string, Weight>): Network {
  const needed = weightShapes(description)
  for (const [name, sizes] of needed) {
    const weight = weights.get(name)
    if (!weight) throw new InputError(`the weights "${name}" ${formatSizes(sizes)} are missing`)
    if (weight.shape.length !== sizes.length || sizes.some((n, k) => n !== weight.shape[k])) {
      throw new InputError(
        `the weights "${name}" have the shape ${formatSizes(weight.shape)}, but the layer needs ${formatSizes(sizes)}`,
      )
    }
    const bad = weight.data.findIndex((v) => !Number.isFinite(v))
    if (bad >= 0) throw new InputError(`the weights "${name}" hold ${weight.data[bad]} at position ${bad}`)
  }
  for (const name of weights.keys()) {
    if (!needed.has(name)) throw new InputError(`the weights "${name}" belong to no layer of the network`)
  }
  // In layer order whatever the source, so that saved files do not depend on it.
  return { description, weights: new Map([...needed.keys()].map((name) => [name, weights.get(name)!])) }
}
