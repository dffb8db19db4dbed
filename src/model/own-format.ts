/** Our own format: one safetensors file whose metadata holds the network's description, recipe included. */
import { InputError } from '../io/errors.ts'
import { type Network, validateDescription, validateNetwork, withRecipe } from './description.ts'
import type { Recipe } from './recipe.ts'
import { readSafetensors, writeSafetensors } from './safetensors.ts'

export interface LoadOptions {
  /** Use this input recipe instead of the file's own (Keras files have none). */
  recipe?: Recipe
  /** What to call the file in error messages. Default 'this file'. */
  name?: string
}

/** A network as bytes of our own format. Equal networks give equal bytes. */
export function saveNetwork(network: Network): Uint8Array {
  return writeSafetensors({ tensors: network.weights, metadata: { voxplain: JSON.stringify(network.description) } })
}

/**
 * A network from the bytes of our own format.
 * @throws InputError saying what is wrong with them
 */
export function readOwn(bytes: Uint8Array): Network {
  const { tensors, metadata } = readSafetensors(bytes)
  const text = metadata.voxplain
  if (text === undefined) {
    throw new InputError('it holds weights but no network description (metadata "voxplain"); save it with voxplain')
  }
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (error) {
    throw new InputError(`its network description is not JSON (${(error as Error).message})`)
  }
  return validateNetwork(validateDescription(json), tensors)
}

/**
 * Loads a network from our own format alone: what a page needs that has no other. format.ts knows more formats.
 * @throws InputError naming the file and what is wrong with it
 */
export function loadOwnNetwork(bytes: Uint8Array, options: LoadOptions = {}): Network {
  return loadNamed(options, () => readOwn(bytes))
}

/** Reads a network, with the caller's recipe and errors that name the file. */
export function loadNamed({ name = 'this file', recipe }: LoadOptions, read: () => Network): Network {
  try {
    const network = read()
    return recipe ? { ...network, description: withRecipe(network.description, recipe) } : network
  } catch (error) {
    if (error instanceof InputError) throw new InputError(`${name} is not a usable network: ${error.message}`)
    throw error
  }
}
