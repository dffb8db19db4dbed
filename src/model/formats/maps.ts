/**
 * ClinicaDL's MAPS: what its maps.json says about the network and its input. The weights are a PyTorch checkpoint.
 */
import { InputError } from '../../io/errors.ts'
import { plainRecipe, type Recipe } from '../recipe/recipe.ts'
import { integerFrom, listOf, numberWithin, readName, readObject, show } from './read-json.ts'
import type { StateOptions } from './torch-network.ts'

/** Values that ask for what is not done here, with what to say about it. */
const UNSUPPORTED: readonly (readonly [string, (value: unknown) => boolean, string])[] = [
  ['network_task', (v) => v !== undefined && v !== 'classification', 'only classification is supported'],
  ['mode', (v) => v !== undefined && v !== 'image', 'only networks on whole images are supported'],
  ['multi_network', (v) => v === true, 'several networks for one image are not supported'],
  ['size_reduction', (v) => v === true, 'scans that are made smaller first are not supported'],
]

/** What a MAPS says beside its weights; the recipe is there where it names its classes. */
export interface MapsFacts extends StateOptions {
  recipe?: Recipe
}

/**
 * What a maps.json adds to the state dict beside it.
 * @throws InputError when a value is damaged, or asks for what is not supported
 */
export function readMaps(json: unknown): MapsFacts {
  const maps = readObject(json, 'maps.json')
  for (const [key, isWrong, why] of UNSUPPORTED) {
    if (isWrong(maps[key])) throw new InputError(`maps.json has ${key} ${show(maps[key])}; ${why}`)
  }
  const inputShape = readInputSize(maps.input_size)
  const reduction = readReduction(maps)
  const architecture = typeof maps.architecture === 'string' ? maps.architecture.slice(0, 200) : ''
  const classes = maps.label_code === undefined ? undefined : readLabels(maps.label_code)
  return {
    ...(inputShape && { inputShape }),
    ...(reduction && { reduction }),
    ...(architecture !== '' && { architecture }),
    ...(maps.dropout !== undefined && { dropout: numberWithin(0, 0.999)(maps.dropout, 'maps.json: dropout') }),
    ...(classes && { recipe: mapsRecipe(maps, classes) }),
  }
}

/** [1, 121, 145, 121], the same as a text, or 1@121x145x121. */
function readInputSize(value: unknown): number[] | undefined {
  if (value === undefined || value === null) return undefined
  const list = typeof value === 'string' ? (value.slice(0, 200).match(/\d+/g) ?? []).map(Number) : value
  return listOf(integerFrom(1), 4)(list, 'maps.json: input_size')
}

/** Of a random network: every block says how it halves the volume, and all must do it alike. */
function readReduction(maps: Readonly<Record<string, unknown>>): 'MaxPooling' | 'stride' | undefined {
  const value = maps.convolutions_dict ?? maps.convolutions
  if (value === undefined || value === null) return undefined
  const blocks = Object.values(readObject(value, 'maps.json: convolutions'))
  const found = new Set(blocks.map((block) => readObject(block, 'maps.json: a convolution').d_reduction))
  const [only] = found
  if (found.size !== 1 || (only !== 'MaxPooling' && only !== 'stride')) {
    throw new InputError(
      `maps.json has d_reduction ${show([...found])}; MaxPooling or stride in all blocks is supported`,
    )
  }
  return only
}

/** {"CN": 0, "AD": 1} -> [CN, AD]; labels that share an output are joined. */
function readLabels(value: unknown): string[] {
  const names = new Map<number, string[]>()
  for (const [label, index] of Object.entries(readObject(value, 'maps.json: label_code'))) {
    const at = integerFrom(0)(index, `maps.json: label_code of ${show(label)}`)
    names.set(at, [...(names.get(at) ?? []), readName(label, 'maps.json: a label')])
  }
  return Array.from({ length: names.size }, (_, k) => {
    const labels = names.get(k)
    if (!labels) throw new InputError(`maps.json: label_code names no label for output ${k}`)
    return labels.join('+')
  })
}

/** ClinicaDL takes arrays in the order they are stored, NaN as 0, and scales each image to [0, 1] unless told not to. */
function mapsRecipe(maps: Readonly<Record<string, unknown>>, classes: readonly string[]): Recipe {
  const scaled = (maps.normalize ?? maps.minmaxnormalization ?? true) !== false
  return { ...plainRecipe(classes.length), name: 'clinicadl', scaling: scaled ? 'min-max' : 'none', classes }
}
