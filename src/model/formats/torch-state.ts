/** The flat state dict inside whatever a checkpoint wraps it in. */
import { InputError } from '../../io/errors.ts'
import type { Weight } from '../description.ts'
import { show } from './read-json.ts'
import { ELEMENTS } from './torch-elements.ts'
import type { TorchFile } from './torch-file.ts'
import { isTorchTensor, type TorchTensor, tensorValues } from './torch-tensor.ts'

/** Where checkpoints keep their state dict, in order of preference. */
const WRAPPERS = ['model', 'state_dict', 'model_state_dict', 'model_state', 'net', 'network', 'weights', 'params']
/** What wrappers of a module (DataParallel, compile, Lightning) put in front of every name. */
const PREFIXES = ['module.', '_orig_mod.', 'model.', 'net.', 'network.']
/** Arrays of a network; there is more work in each than in a byte. */
const MOST_ARRAYS = 10000

/** Counts batches in training; no network needs it. */
const BOOKKEEPING = /(^|\.)num_batches_tracked$/

/**
 * All arrays of a checkpoint by name, as float32, without common prefixes.
 * @throws InputError when there is no state dict in it, or its tensors are damaged
 */
export function torchState(file: TorchFile): Map<string, Weight> {
  const tensors = findState(file.value, new Set())
  if (!tensors) throw new InputError(`the checkpoint has no state_dict; it holds ${describe(file.value)}`)
  if (tensors.size > MOST_ARRAYS) throw new InputError(`it has ${tensors.size} arrays, more than ${MOST_ARRAYS}`)
  let room = file.budget
  const weights = new Map<string, Weight>()
  for (const [name, tensor] of tensors) {
    room -= tensor.shape.reduce((a, b) => a * b, 1)
    if (room < 0) throw new InputError('the checkpoint declares more values than it has bytes: tensors share storages')
    weights.set(name, tensorValues(tensor, file.storage(tensor.storage), ELEMENTS[tensor.storage.element]!))
  }
  return plainNames(weights)
}

/** @param seen where it has looked: dictionaries may hold themselves */
function findState(value: unknown, seen: Set<unknown>): Map<string, TorchTensor> | undefined {
  if (!(value instanceof Map) || seen.has(value)) return undefined
  seen.add(value)
  const tensors = [...value].filter(
    (entry): entry is [string, TorchTensor] => typeof entry[0] === 'string' && isTorchTensor(entry[1]),
  )
  if (tensors.length > 0) return new Map(tensors)
  for (const name of WRAPPERS) {
    const found = findState(value.get(name), seen)
    if (found) return found
  }
  return undefined
}

function describe(value: unknown): string {
  if (value instanceof Map) {
    const keys = [...value.keys()].slice(0, 8).map((key) => (typeof key === 'string' ? show(key) : typeof key))
    return keys.length === 0 ? 'an empty dictionary' : `a dictionary of ${keys.join(', ')}`
  }
  return isTorchTensor(value) ? 'a single tensor' : Array.isArray(value) ? 'a list' : `a ${typeof value}`
}

/** Names without the prefixes that all of them have, and without bookkeeping. */
export function plainNames(weights: ReadonlyMap<string, Weight>): Map<string, Weight> {
  if (weights.size > MOST_ARRAYS) throw new InputError(`it has ${weights.size} arrays, more than ${MOST_ARRAYS}`)
  let entries = [...weights].filter(([name]) => !BOOKKEEPING.test(name))
  const shared = () =>
    PREFIXES.find((prefix) => entries.length > 0 && entries.every(([name]) => name.startsWith(prefix)))
  for (let prefix = shared(); prefix !== undefined; prefix = shared()) {
    const { length } = prefix
    entries = entries.map(([name, weight]) => [name.slice(length), weight])
  }
  return new Map(entries)
}
