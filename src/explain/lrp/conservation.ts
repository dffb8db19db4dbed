/** Where relevance is kept and where it gets lost: its sum at the output of every layer. */
import { InputError } from '../../io/errors.ts'
import type { Layer } from '../../model/layer.ts'
import type { Attribution } from '../method.ts'

export interface ConservationRow {
  /** `input`, or a layer; layers that others took in (a convolution before a batch norm) have no row. */
  readonly layer: string
  readonly type: string
  /** Relevance that arrives at its output. */
  readonly sum: number
  /** The same as a share of what the walk began with: 1 where nothing was lost to biases and stabilisers. */
  readonly share: number
}

/**
 * The sums as a table, from the input to the last layer.
 * @param attribution of LRP with the setting `conservation`
 * @throws InputError for one without
 */
export function conservationTable(layers: readonly Layer[], { facts }: Pick<Attribution, 'facts'>): ConservationRow[] {
  const all = [{ name: 'input', type: 'input' }, ...layers]
  const found = all.filter(({ name }) => facts[`sum:${name}`] !== undefined)
  const start = facts[`sum:${found.at(-1)?.name}`]
  if (start === undefined) throw new InputError('no sums of relevance: explain with the LRP setting "conservation"')
  return found.map(({ name, type }) => {
    const sum = facts[`sum:${name}`]!
    return { layer: name, type, sum, share: sum / start }
  })
}
