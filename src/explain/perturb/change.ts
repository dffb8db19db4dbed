/** What perturbations do to intensities. */
import { InputError } from '../../io/errors.ts'
import { numberWithin, oneOf } from '../../model/formats/read-json.ts'
import type { MethodInput, Settings } from '../method.ts'

export interface Change {
  /** Whether intensities become `value` or are multiplied by it. */
  readonly change: 'replace' | 'scale'
  readonly value: number
}

/** Which output of the network is watched. */
export interface Watched {
  readonly score: 'probability' | 'logit'
}

export const changeSettings: Settings<Change & Watched> = {
  change: {
    default: 'replace',
    text: 'replace intensities by the value, or scale them by it',
    read: oneOf('replace', 'scale'),
  },
  value: { default: 0, text: 'the value, in the units of the input', read: numberWithin() },
  score: {
    default: 'probability',
    text: 'what is watched: probability or logit of the class',
    read: oneOf('probability', 'logit'),
  },
}

/**
 * An input with all of its intensities changed; perturbations take some voxels from here and the others from the input.
 * Where the network takes residuals, the intensities before residualisation change (Dyrba et al. 2021), and the residuals by
 * the same difference. A voxel without residual although it has an intensity is one that the residualisation leaves out:
 * it stays 0.
 * @returns [C, D, H, W]
 * @throws InputError when `plain` is of another size than the input
 */
export function changedInput({ tensor, plain }: MethodInput, { change, value }: Change): Float32Array {
  const become = change === 'replace' ? () => value : (v: number) => v * value
  if (!plain) return tensor.map(become)
  if (plain.length !== tensor.length) {
    throw new InputError(`the input before residualisation has ${plain.length} values, the input ${tensor.length}`)
  }
  return tensor.map((v, i) => {
    const before = plain[i]!
    return v === 0 && before !== 0 ? 0 : v + (become(before) - before)
  })
}
