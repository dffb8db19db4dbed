/** Any network as a list of layers in JSON. */
import { InputError } from '../io/errors.ts'
import { type ArchitectureOptions, classCountOf, describe } from './architectures-base.ts'
import { type NetworkDescription, validateDescription } from './description.ts'
import { listOf, optional, readName, readObject } from './formats/read-json.ts'

/**
 * A network from JSON: a whole description (`format` "voxplain-network"), whose input must be the one that is wanted and
 * whose recipe is replaced where the options have one; or `{ "name": ..., "layers": [...] }` alone, which fits any input.
 * There `units` or `channels` may be "classes", the number of classes, and a dropout's `rate` "dropout", the option's
 * (default 0.5).
 * @param text JSON, or what was parsed of it
 * @param source what to call it in messages
 * @throws InputError naming the source, and the layer that is wrong
 */
export function networkFromJson(
  text: unknown,
  options: ArchitectureOptions,
  source = 'the layer list',
): NetworkDescription {
  try {
    const json = readObject(typeof text === 'string' ? JSON.parse(text) : text, 'it')
    return json.format === undefined ? fromLayers(json, options) : fromDescription(json, options)
  } catch (error) {
    if (error instanceof InputError || error instanceof SyntaxError) {
      throw new InputError(`${source} describes no usable network: ${error.message}`)
    }
    throw error
  }
}

function fromLayers(json: Record<string, unknown>, options: ArchitectureOptions): NetworkDescription {
  const unknown = Object.keys(json).find((key) => key !== 'name' && key !== 'layers')
  if (unknown) throw new InputError(`a layer list has no field "${unknown}"; known: name, layers`)
  const words: Record<string, number> = { classes: classCountOf(options), dropout: options.dropout ?? 0.5 }
  const layers = listOf((value, what) => {
    const layer = { ...readObject(value, what) }
    for (const [key, word] of Object.entries({ units: 'classes', channels: 'classes', rate: 'dropout' })) {
      if (layer[key] === word) layer[key] = words[word]
    }
    return layer
  })(json.layers, 'layers')
  return describe(optional(readName, 'custom')(json.name, 'name'), options, layers)
}

function fromDescription(json: Record<string, unknown>, options: ArchitectureOptions): NetworkDescription {
  const { classes, inputShape } = options
  const own = validateDescription(json)
  if (own.input.some((n, k) => n !== inputShape[k]) || inputShape.length !== 4) {
    throw new InputError(
      `its input is [${own.input.join(', ')}], but the scans give [${inputShape.join(', ')}]; ` +
        'a list of layers without format and input fits any',
    )
  }
  const recipe = options.recipe ?? own.recipe
  return validateDescription({
    ...own,
    recipe: classes === undefined || typeof classes === 'number' ? recipe : { ...recipe, classes },
  })
}
