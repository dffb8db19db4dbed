/** Our own format: one safetensors file whose metadata holds the network's description, recipe included. */
import { InputError } from '../../io/errors.ts'
import { type Network, validateDescription, validateNetwork, withRecipe } from '../description.ts'
import type { Recipe } from '../recipe/recipe.ts'
import { withResidual } from '../recipe/recipe-input.ts'
import { isSafetensors, readSafetensors, safetensorsMetadata, writeSafetensors } from './safetensors.ts'

export interface LoadOptions {
  /** Use this input recipe instead of the file's own (Keras files have none). */
  recipe?: Recipe
  /** What to call the file in error messages. Default 'this file'. */
  name?: string
}

/** Where a file has the coefficients of residuals; no layer has weights of this name. */
const RESIDUAL = 'residual.coefficients'

/**
 * A network as bytes of our own format. Equal networks give equal bytes.
 * @throws InputError for a network that takes residuals and has lost their coefficients
 */
export function saveNetwork(network: Network): Uint8Array {
  const { description, weights, residual } = withResidual(network, network.residual)
  const tensors = residual ? new Map([...weights, [RESIDUAL, residual]]) : weights
  return writeSafetensors({ tensors, metadata: { voxplain: JSON.stringify(description) } })
}

/** Whether the bytes are of our own format: safetensors with a description. @throws InputError for a damaged header */
export function isOwn(bytes: Uint8Array): boolean {
  return isSafetensors(bytes) && safetensorsMetadata(bytes).voxplain !== undefined
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
  const description = validateDescription(json)
  const residual = tensors.get(RESIDUAL)
  tensors.delete(RESIDUAL)
  return withResidual(validateNetwork(description, tensors), residual)
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
