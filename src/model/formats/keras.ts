/**
 * Import of Keras HDF5 files (model.save in Keras 1 to 3): the model_config gives the layers, model_weights the values.
 * Channels-last networks become [N, C, D, H, W]; a transpose before Flatten keeps the order its Dense was trained with.
 */
import { InputError } from '../../io/errors.ts'
import { type Network, validateDescription, validateNetwork, type Weight } from '../description.ts'
import type { Recipe } from '../recipe/recipe.ts'
import { isHdf5, openHdf5 } from './hdf5.ts'
import { type Builder, field, type KerasWeights, kerasWeights, type Layout, makeBuilder } from './keras-builder.ts'
import { type KerasCall, readKerasConfig } from './keras-config.ts'
import { convertCall, requireSupported } from './keras-layers.ts'
import { show } from './read-json.ts'

export { isHdf5 }

/** Layers that say where channels are. A Flatten's data_format is about something else. */
function findLayout(calls: readonly KerasCall[]): Layout {
  const formats = calls
    .filter((c) => c.className !== 'Flatten')
    .map((c) => field(c.config, 'data_format', 'dim_ordering'))
    .filter((f) => f !== undefined && f !== 'default')
  if (formats.includes('th')) throw new InputError('a Keras 1 network in Theano order ("th") is not supported')
  const first = formats.filter((f) => f === 'channels_first').length
  if (first > 0 && first < formats.length)
    throw new InputError('some layers have channels first and some last; that is not supported')
  return first > 0 ? 'first' : 'last'
}

function inputShape({ config }: KerasCall, layout: Layout): number[] {
  const batched = field(config, 'batch_shape', 'batch_input_shape')
  const shape = Array.isArray(batched) ? batched.slice(1) : undefined
  if (shape?.length !== 4 || !shape.every((n) => Number.isInteger(n) && n > 0)) {
    throw new InputError(
      `the network's input shape is ${show(batched)}; a fixed size with three spatial axes and channels is needed`,
    )
  }
  return layout === 'last' ? [shape[3], ...shape.slice(0, 3)] : shape
}

/**
 * A trailing Dense(1, sigmoid) with p = P(class 1) is a softmax over the logits (0, z): the same network with two outputs.
 */
function sigmoidToSoftmax(b: Builder): void {
  const last = b.layers.at(-1)!
  const before = b.layers.find((l) => l.name === last.inputs[0])
  if (last.type !== 'sigmoid' || b.shape(last.name)[0] !== 1 || before?.type !== 'dense') return
  b.layers.splice(b.layers.indexOf(before), 1, { ...before, units: 2 })
  b.layers.splice(-1, 1, { name: last.name, type: 'softmax', inputs: last.inputs })
  const doubled = ({ shape, data }: Weight): Weight => {
    const both = new Float32Array(2 * data.length)
    both.set(data, data.length)
    return { shape: [2, ...shape.slice(1)], data: both }
  }
  for (const name of [`${before.name}.weight`, `${before.name}.bias`]) {
    const weight = b.weights.get(name)
    if (weight) b.weights.set(name, doubled(weight))
  }
}

/**
 * A network from a Keras HDF5 file.
 * @param recipe the input recipe, which Keras files do not hold; default plainRecipe
 * @throws InputError for anything that is not such a file, or holds a layer that is not supported
 */
export function importKeras(bytes: Uint8Array, recipe?: Recipe): Network {
  const root = openHdf5(bytes)
  const config = root.text('model_config')
  if (config === undefined) {
    const hint = root.texts('layer_names') || root.group('model_weights') ? ' (only weights?)' : ''
    throw new InputError(
      `the HDF5 file has no model_config${hint}; save the whole network with model.save("network.h5")`,
    )
  }
  const weights = root.group('model_weights') ?? root
  return buildKeras(config, (call) => kerasWeights(weights, call), recipe)
}

/**
 * A network from a Keras configuration and its weights, wherever these are.
 * @param config the model_config as JSON
 * @param weightsOf the arrays of the layer that a call uses, in Keras' order
 * @throws InputError for a configuration that is damaged or holds a layer that is not supported
 */
export function buildKeras(config: string, weightsOf: (call: KerasCall) => KerasWeights, recipe?: Recipe): Network {
  const model = readKerasConfig(config)
  requireSupported(model.calls)
  const layout = findLayout(model.calls)
  const input = model.calls.find((c) => c.className === 'InputLayer')
  if (!input) throw new InputError('the network has no input layer')
  const shape = inputShape(input, layout)
  const b = makeBuilder(shape, layout)
  const made = new Map([[input.key, 'input']])
  for (const call of model.calls) {
    if (call === input) continue
    const inputs = call.inputs.map((key) => made.get(key)!)
    made.set(call.key, convertCall(call, inputs, b, weightsOf(call)))
  }
  if (b.layers.length === 0) throw new InputError('the network has no layers')
  if (made.get(model.output) !== b.layers.at(-1)!.name) throw new InputError("the network's output is its own input")
  sigmoidToSoftmax(b)
  const output = b.layers.at(-1)!.type === 'softmax' ? 'probabilities' : 'logits'
  const json = {
    format: 'voxplain-network',
    version: 1,
    name: model.name.slice(0, 200) || 'keras',
    input: shape,
    layers: b.layers,
    output,
    recipe,
  }
  return validateNetwork(validateDescription(json), b.weights)
}
