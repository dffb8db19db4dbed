/** A network from a state dict, which names arrays but not the layers between them. */
import { InputError } from '../../io/errors.ts'
import {
  type Network,
  type NetworkDescription,
  validateDescription,
  validateNetwork,
  type Weight,
  weightShapes,
} from '../description.ts'
import { readObject } from './read-json.ts'
import { type ClinicaDlFacts, clinicaDlLayers, isClinicaDl } from './torch-clinicadl.ts'

/** What a state dict does not say. */
export interface StateOptions extends ClinicaDlFacts {
  /** A network description (or just its `input` and `layers`) whose layers have the state dict's names. */
  layers?: unknown
}

/** Names listed in full in an error. */
const MOST_LISTED = 8

/**
 * A network from PyTorch's arrays by name.
 * @throws InputError when the architecture is neither ClinicaDL's nor described, or its arrays are others
 */
export function networkFromState(weights: ReadonlyMap<string, Weight>, options: StateOptions): Network {
  const { layers, inputShape } = options
  let json: Record<string, unknown>
  if (layers !== undefined) json = describedLayers(layers, inputShape)
  else if (isClinicaDl(weights)) json = clinicaDlLayers(weights, options)
  else {
    throw new InputError(
      `its arrays (${listed([...weights.keys()])}) are of no architecture that is recognised; describe its layers: voxplain convert --layers FILE.json`,
    )
  }
  const whole = { name: 'pytorch', output: 'logits', ...json, format: 'voxplain-network', version: 1 }
  const description = validateDescription(whole)
  requireNames(description, weights)
  return validateNetwork(description, weights)
}

function describedLayers(layers: unknown, inputShape?: readonly number[]): Record<string, unknown> {
  const json = Array.isArray(layers) ? { layers } : readObject(layers, 'the layer description')
  const input = inputShape ?? json.input
  if (input === undefined) {
    throw new InputError('the layer description has no "input" [C, D, H, W]; add it')
  }
  return { ...json, input }
}

/** Says at once all that does not match: names are where hand-written descriptions go wrong. */
function requireNames(description: NetworkDescription, weights: ReadonlyMap<string, Weight>): void {
  const needed = weightShapes(description)
  const missing = [...needed.keys()].filter((name) => !weights.has(name))
  const extra = [...weights.keys()].filter((name) => !needed.has(name))
  if (missing.length === 0 && extra.length === 0) return
  const parts = [
    ...(missing.length > 0 ? [`the layers need ${listed(missing)}, which the file does not have`] : []),
    ...(extra.length > 0 ? [`the file has ${listed(extra)}, which no layer takes`] : []),
  ]
  throw new InputError(parts.join('; '))
}

function listed(names: readonly string[]): string {
  const more = names.length - MOST_LISTED
  return `${names.slice(0, MOST_LISTED).join(', ')}${more > 0 ? ` and ${more} more` : ''}` || 'none'
}
