/** Networks of a cross-validation as the contexts of an explanation, and what two of them have in common. */

/** Where a network comes from, both counted from 0: its training scans (fold) and its seed (run). */
export interface Context {
  readonly fold: number
  readonly run: number
}

/** What two networks differ in: the seed alone, the training scans alone, or both. */
export type PairKind = 'inter-run' | 'inter-fold' | 'inter-fold and run'

export const PAIR_KINDS: readonly PairKind[] = ['inter-run', 'inter-fold', 'inter-fold and run']

/** @returns undefined for a network and itself */
export function pairKind(a: Context, b: Context): PairKind | undefined {
  if (a.fold === b.fold) return a.run === b.run ? undefined : 'inter-run'
  return a.run === b.run ? 'inter-fold' : 'inter-fold and run'
}

export interface Pair {
  readonly kind: PairKind
  /** Places in the list of contexts. */
  readonly from: number
  readonly to: number
}

/** All ordered pairs of different contexts. @param once each two once, for measures that are symmetric */
export function contextPairs(contexts: readonly Context[], once = false): Pair[] {
  return contexts.flatMap((a, from) =>
    contexts.flatMap((b, to): Pair[] => {
      const kind = pairKind(a, b)
      return kind === undefined || (once && to < from) ? [] : [{ kind, from, to }]
    }),
  )
}

/** "fold 2, run 1", counted from 1 as people do. */
export function contextName({ fold, run }: Context): string {
  return `fold ${fold + 1}, run ${run + 1}`
}
