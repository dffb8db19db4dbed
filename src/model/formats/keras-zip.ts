/**
 * Keras archives (.keras, of Keras 3 and tf_keras from 2.15 on): a zip of config.json and model.weights.h5, whose groups
 * are named by the class of each layer and its number among those of its class. Format: keras/src/saving/saving_lib.py.
 */
import { InputError } from '../../io/errors.ts'
import type { Network } from '../description.ts'
import type { Recipe } from '../recipe/recipe.ts'
import { type Hdf5Group, openHdf5 } from './hdf5.ts'
import { buildKeras } from './keras.ts'
import { handOut } from './keras-builder.ts'
import { readObject } from './read-json.ts'
import { isZip, openZip, type Zip } from './zip.ts'

const CONFIG = 'config.json'
const WEIGHTS = 'model.weights.h5'
/** The group of all layers. */
const LAYERS = 'layers'

export function isKerasZip(bytes: Uint8Array): boolean {
  if (!isZip(bytes)) return false
  const { names } = openZip(bytes)
  return names.includes(CONFIG) && names.some((name) => name.startsWith('model.weights'))
}

/**
 * A network from a .keras archive.
 * @throws InputError when it is damaged, or holds a layer that is not supported
 */
export function importKerasZip(bytes: Uint8Array, recipe?: Recipe): Network {
  const zip = openZip(bytes)
  const config = readConfig(zip)
  if (!zip.names.includes(WEIGHTS))
    throw new InputError(`the archive has no ${WEIGHTS}; sharded weights are not supported`)
  const root = openHdf5(zip.read(WEIGHTS))
  const container = root.group(LAYERS)
  if (!container)
    throw new InputError(`its ${WEIGHTS} has no group "${LAYERS}"; save the model with Keras 2.15 or later`)
  const groups = groupNames(config)
  return buildKeras(
    config,
    ({ layer }) => {
      const group = container.group(`${groups.get(layer)}/vars`)
      return handOut(variables(group), (name) => group!.array(name))
    },
    recipe,
  )
}

function readConfig(zip: Zip): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(zip.read(CONFIG))
  } catch (error) {
    if (error instanceof InputError) throw error
    throw new InputError(`its ${CONFIG} is no text`)
  }
}

/** "0", "1", ... as far as they go. */
function variables(group: Hdf5Group | undefined): string[] {
  return group ? group.members().sort((a, b) => Number(a) - Number(b)) : []
}

/** The weights' group of each layer by the layer's name. Damage is left to readKerasConfig to tell. */
function groupNames(text: string): Map<string, string> {
  const names = new Map<string, string>()
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (error) {
    throw new InputError(`its ${CONFIG} is not JSON (${(error as Error).message})`)
  }
  const config = readObject(readObject(json, CONFIG).config, `${CONFIG}: config`)
  const used = new Map<string, number>()
  for (const value of Array.isArray(config.layers) ? config.layers : []) {
    const layer = readObject(value, `${CONFIG}: a layer`)
    const own = readObject(layer.config, `${CONFIG}: the config of a layer`)
    const kind = snakeCase(String(layer.class_name))
    const count = used.get(kind) ?? 0
    used.set(kind, count + 1)
    names.set(String(layer.name ?? own.name), count === 0 ? kind : `${kind}_${count}`)
  }
  return names
}

/** Keras' to_snake_case: MaxPooling3D -> max_pooling3d. */
function snakeCase(name: string): string {
  return name
    .slice(0, 200)
    .replace(/\W+/g, '')
    .replace(/(.)([A-Z][a-z]+)/g, '$1_$2')
    .replace(/([a-z])([A-Z])/g, '$1_$2')
    .toLowerCase()
}
