/** A search of tiny networks on the toy training's data, and a store in memory that can be broken off. */

import type { Network } from '../../src/model/description.ts'
import type { SearchOptions, TrialOutcome, TrialStore } from '../../src/model/search/search.ts'
import { readSpace } from '../../src/model/search/search.ts'
import { SHAPE, toySamples } from './training.ts'

/** Networks that train in a moment. */
export const TINY_SPACE = readSpace(
  JSON.stringify({
    blocks: { randint: [1, 2] },
    firstWidth: { choice: [2, 3] },
    learningRate: { exponent: [1, 2.5] },
    denseLayers: { randint: [1, 2] },
    batch: 4,
  }),
)

export interface MemoryStore extends TrialStore {
  readonly outcomes: Map<number, TrialOutcome>
  readonly networks: Map<number, Network>
  readonly checkpoints: Map<number, Uint8Array>
  /** Best trial at each list(). */
  readonly bests: (number | undefined)[]
}

export function memoryStore(): MemoryStore {
  const store: Omit<MemoryStore, keyof TrialStore> = {
    outcomes: new Map(),
    networks: new Map(),
    checkpoints: new Map(),
    bests: [],
  }
  return {
    ...store,
    read: async (trial) => store.outcomes.get(trial),
    begin: async (trial) => ({
      resume: store.checkpoints.get(trial),
      onCheckpoint: (bytes) => void store.checkpoints.set(trial, bytes),
    }),
    async finish(outcome, result) {
      if (result) store.networks.set(outcome.trial, result.network)
      store.outcomes.set(outcome.trial, outcome)
    },
    async list(_, best) {
      store.bests.push(best?.trial)
    },
    network: async (trial) => store.networks.get(trial)!,
  }
}

export function searchOptions(store: TrialStore, more: Partial<SearchOptions> = {}): SearchOptions {
  return {
    space: TINY_SPACE,
    trials: 4,
    seed: 6,
    network: { inputShape: SHAPE, classes: ['CN', 'AD'] },
    training: { epochs: 2 },
    validation: toySamples(6, 500),
    store,
    ...more,
  }
}
