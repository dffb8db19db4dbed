/** Remembered winners of tuning (see tune.ts), and what a place to run in must offer to keep them between sessions. */

/** What measurements hold for. */
export interface TunePlace {
  /** Adapter, driver, features and limits, as text. */
  readonly adapter: string
  /** Version of all kernels: winners among older ones are forgotten. */
  readonly kernels: string
}

/** The fastest variant by choice (see plan.ts's choiceKey). */
export type Winners = Readonly<Record<string, string>>

/** Keeps winners. A cache: what cannot be read or written is left out, and never an error. */
export interface TuneStore {
  /** What was measured at this place; nothing where nobody did. */
  load(place: TunePlace): Promise<Winners>
  /** Adds to what is kept of this place. */
  save(place: TunePlace, winners: Winners): Promise<void>
}

/** What is kept: one record an adapter. */
export interface TuneRecord extends TunePlace {
  readonly winners: Winners
}

/**
 * The winners of a record; none where it is from another place or older kernels.
 * @throws Error when it is no such record
 */
export function winnersOf(record: unknown, { adapter, kernels }: TunePlace): Winners {
  const { winners, ...place } = (record ?? {}) as Partial<TuneRecord>
  if (typeof winners !== 'object' || winners === null || !Object.values(winners).every((v) => typeof v === 'string')) {
    throw new Error('it is damaged')
  }
  return place.adapter === adapter && place.kernels === kernels ? winners : {}
}
