/** Keeps the analyses of what is shown up to date: the newest question waits for the answer before it, others are dropped. */
import { addError } from './messages.ts'
import type { Session } from './session.ts'
import { mapById, type PageStore, type RelevanceMap, type State, scaleMax } from './state.ts'

export function keepAnalyses(store: PageStore, session: Session): void {
  for (const index of [0, 1] as const) keepAnalysis(store, session, index)
}

function keepAnalysis(store: PageStore, session: Session, index: 0 | 1): void {
  let busy = false
  let waiting = false

  async function analyse(): Promise<void> {
    if (busy) {
      waiting = true
      return
    }
    const state = store.get()
    const map = mapById(state, state.shown[index])
    if (!map) return put(undefined)
    busy = true
    try {
      const threshold = state.threshold * scaleMax(state, map)
      const found = await session.analysis.call('analyse', { id: map.id, threshold, minVoxels: state.minVoxels })
      if (isShown(store.get(), map)) put(found)
    } catch (error) {
      addError(store, error, { key: 'failed' })
    } finally {
      busy = false
      if (waiting) {
        waiting = false
        void analyse()
      }
    }
  }

  const isShown = (state: State, map: RelevanceMap) => state.shown[index] === map.id
  const put = (analysis: State['analyses'][0]) => {
    const { analyses } = store.get()
    if (analyses[index] !== analysis) {
      store.set({ analyses: index === 0 ? [analysis, analyses[1]] : [analyses[0], analysis] })
    }
  }

  store.watch(
    (state) => [
      mapById(state, state.shown[index]),
      state.threshold,
      state.minVoxels,
      state.scale,
      state.fixedMax,
      // The atlas may come after the map.
      state.regions,
    ],
    () => void analyse(),
  )
}
