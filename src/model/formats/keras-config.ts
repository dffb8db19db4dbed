/**
 * The `model_config` of a Keras HDF5 file (Keras 1 to 3, Sequential and functional) as a list of calls in running order.
 */
import { InputError } from '../../io/errors.ts'
import { readObject, show } from './read-json.ts'

export type Config = Readonly<Record<string, unknown>>

/** One use of a Keras layer. */
export interface KerasCall {
  /** Unique; what `inputs` of later calls refer to. */
  readonly key: string
  readonly layer: string
  readonly className: string
  readonly config: Config
  readonly inputs: readonly string[]
}

export interface KerasModel {
  readonly name: string
  /** From the input to the output; calls that the output does not depend on are left out. */
  readonly calls: readonly KerasCall[]
  readonly output: string
}

function keyOf(layer: string, node: number): string {
  return `${layer}:${node}`
}

function asList(value: unknown, what: string): unknown[] {
  if (!Array.isArray(value)) throw new InputError(`model_config: ${what} must be a list, got ${show(value)}`)
  return value
}

/** The tensors a call takes: [name, node, tensor, ...] lists (Keras 1, 2) or keras_history entries (Keras 3), in order. */
function references(value: unknown, found: string[] = []): string[] {
  if (Array.isArray(value)) {
    const [name, node, tensor] = value
    if (typeof name === 'string' && Number.isInteger(node) && Number.isInteger(tensor)) {
      if (tensor !== 0)
        throw new InputError(`model_config: output ${tensor} of layer "${name}" is used; layers have one output here`)
      found.push(keyOf(name, node))
    } else for (const item of value) references(item, found)
  } else if (typeof value === 'object' && value !== null) {
    const { keras_history: history, config, args } = value as Config
    references(history ?? config ?? args ?? [], found)
  }
  return found
}

interface RawLayer {
  name: string
  className: string
  config: Config
  calls: unknown[]
}

function readRawLayer(value: unknown): RawLayer {
  const json = readObject(value, 'model_config: a layer')
  const config = readObject(json.config, 'model_config: the config of a layer')
  const className = String(json.class_name)
  // Keras 1 names layers inside the config only.
  const name = json.name ?? config.name ?? className
  if (typeof name !== 'string') throw new InputError(`model_config: a layer has the name ${show(name)}`)
  const calls = json.inbound_nodes === undefined ? [] : asList(json.inbound_nodes, `inbound_nodes of "${name}"`)
  return { name, className, config, calls }
}

/** @throws InputError when the text is no model configuration, has several inputs or outputs, or goes in circles */
export function readKerasConfig(text: string): KerasModel {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (error) {
    throw new InputError(`its model_config is not JSON (${(error as Error).message})`)
  }
  const { class_name: className, config } = readObject(json, 'model_config')
  if (className === 'Sequential') return readSequential(config)
  if (className === 'Model' || className === 'Functional')
    return readFunctional(readObject(config, 'model_config.config'))
  throw new InputError(
    `its model_config describes a ${show(className)}; only Sequential and functional (Model) networks are supported`,
  )
}

function readSequential(config: unknown): KerasModel {
  // A plain list until Keras 2.2.3.
  const whole: Config = Array.isArray(config) ? { layers: config } : readObject(config, 'model_config.config')
  const layers = asList(whole.layers, 'layers').map(readRawLayer)
  const first = layers[0]
  if (!first) throw new InputError('its model_config has no layers')
  const shape = first.config.batch_input_shape ?? first.config.batch_shape ?? whole.build_input_shape
  const input: KerasCall = {
    key: 'input:0',
    layer: 'input',
    className: 'InputLayer',
    config: { batch_shape: shape },
    inputs: [],
  }
  const calls = [input]
  for (const { name, className, config: own } of layers) {
    if (className === 'InputLayer') continue
    calls.push({ key: keyOf(name, calls.length), layer: name, className, config: own, inputs: [calls.at(-1)!.key] })
  }
  return { name: String(whole.name ?? 'sequential'), calls, output: calls.at(-1)!.key }
}

function readFunctional(config: Config): KerasModel {
  const calls = new Map<string, KerasCall>()
  for (const { name, className, config: own, calls: inbound } of asList(config.layers, 'layers').map(readRawLayer)) {
    // An InputLayer is its own node 0.
    const uses = inbound.length === 0 ? [[]] : inbound
    uses.forEach((use, node) => {
      const key = keyOf(name, node)
      calls.set(key, { key, layer: name, className, config: own, inputs: references(use) })
    })
  }
  const outputs = references(config.output_layers)
  const inputs = references(config.input_layers)
  if (outputs.length !== 1 || inputs.length !== 1) {
    throw new InputError(
      `the network has ${inputs.length} inputs and ${outputs.length} outputs; one of each is supported`,
    )
  }
  return { name: String(config.name ?? 'model'), calls: inOrder(calls, outputs[0]!), output: outputs[0]! }
}

/** The calls that the output depends on, each after those it takes from (depth first, without recursion). */
function inOrder(calls: ReadonlyMap<string, KerasCall>, output: string): KerasCall[] {
  const ordered = new Map<string, KerasCall>()
  const open = new Set<string>()
  const stack = [output]
  while (stack.length > 0) {
    const key = stack.at(-1)!
    const call = calls.get(key)
    if (!call) throw new InputError(`model_config: "${key}" is used, but there is no such layer`)
    const missing = call.inputs.filter((k) => !ordered.has(k))
    if (ordered.has(key) || missing.length === 0) {
      ordered.set(key, call)
      open.delete(key)
      stack.pop()
      continue
    }
    open.add(key)
    const circle = missing.find((k) => open.has(k))
    if (circle) throw new InputError(`model_config: the layers "${circle}" and "${key}" feed each other in a circle`)
    stack.push(...missing.reverse())
  }
  return [...ordered.values()]
}
