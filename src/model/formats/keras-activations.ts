/** Keras activations, given as names or as serialised layers, in terms of our own layers. */
import { InputError } from '../../io/errors.ts'
import { type Builder, field, numberField } from './keras-builder.ts'
import type { Config } from './keras-config.ts'
import { readObject, show } from './read-json.ts'

type Activation = (b: Builder, input: string, name: string, config: Config) => string

/** Klambauer et al. 2017. */
const SELU = { alpha: 1.6732632423543772, scale: 1.0507009873554805 }

/** Keras' ReLU with its options. */
export const relu: Activation = (b, input, name, config) => {
  if (numberField(config, 0, 'threshold') !== 0)
    throw new InputError(`its threshold ${show(config.threshold)} is not supported`)
  const slope = numberField(config, 0, 'negative_slope')
  const bent = slope === 0 ? b.add(name, 'relu', [input]) : b.add(name, 'leakyRelu', [input], { slope })
  if (field(config, 'max_value') === undefined) return bent
  return b.add(`${name}/max`, 'clamp', [bent], { low: -1e30, high: numberField(config, 0, 'max_value') })
}

const swish: Activation = (b, input, name) => {
  const gate = b.add(`${name}/sigmoid`, 'sigmoid', [input])
  return b.add(name, 'multiply', [input, gate])
}

const activations: Readonly<Record<string, Activation>> = {
  linear: (_, input) => input,
  relu,
  relu6: (b, input, name) => b.add(name, 'clamp', [input], { low: 0, high: 6 }),
  elu: (b, input, name, config) => b.add(name, 'elu', [input], { alpha: numberField(config, 1, 'alpha') }),
  leaky_relu: (b, input, name, config) =>
    b.add(name, 'leakyRelu', [input], { slope: numberField(config, 0.2, 'negative_slope', 'alpha') }),
  selu(b, input, name) {
    const bent = b.add(`${name}/elu`, 'elu', [input], { alpha: SELU.alpha })
    return b.add(name, 'scale', [bent], { factor: SELU.scale })
  },
  sigmoid: (b, input, name) => b.add(name, 'sigmoid', [input]),
  tanh: (b, input, name) => b.add(name, 'tanh', [input]),
  softmax: (b, input, name) => b.add(name, 'softmax', [input]),
  log_softmax: (b, input, name) => b.add(name, 'logSoftmax', [input]),
  swish,
  silu: swish,
}

/** Class names of activation layers that Keras allows as an `activation`. */
const CLASSES: Readonly<Record<string, string>> = {
  ReLU: 'relu',
  LeakyReLU: 'leaky_relu',
  ELU: 'elu',
  Softmax: 'softmax',
}

/** Adds an activation under the given layer name. @throws InputError for an unknown one */
export function applyActivation(b: Builder, input: string, activation: unknown, name: string): string {
  if (activation === undefined || activation === null) return input
  const object = typeof activation === 'string' ? {} : readObject(activation, 'its activation')
  const given =
    typeof activation === 'string'
      ? activation
      : String(object.class_name === 'function' ? object.config : object.class_name)
  const known = CLASSES[given] ?? given
  if (!Object.hasOwn(activations, known)) {
    throw new InputError(
      `the activation ${show(given)} is not supported; supported: ${Object.keys(activations).join(', ')}`,
    )
  }
  const config = typeof object.config === 'object' && object.config !== null ? (object.config as Config) : {}
  // LeakyReLU as a class has another default than as a function.
  const options = given === 'LeakyReLU' ? { alpha: 0.3, ...config } : config
  return activations[known]!(b, input, name, options)
}

/** The `activation` field of a layer, after the layer. */
export function activate(b: Builder, layer: string, config: Config): string {
  return applyActivation(b, layer, config.activation, `${layer}/activation`)
}
