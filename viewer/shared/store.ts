/** State that many look at: parts of the page subscribe to what they show. */

export interface Store<S extends object> {
  get(): S
  /** Changes some of it; who looks at that is told once, afterwards. */
  set(change: Partial<S>): void
  /** Calls `show` now, and again whenever one of the selected values is another. @returns ends it */
  watch<const V extends readonly unknown[]>(
    select: (state: S) => V,
    show: (...values: { -readonly [K in keyof V]: V[K] }) => void,
  ): () => void
}

export function createStore<S extends object>(initial: S): Store<S> {
  let state = initial
  const watchers = new Set<() => void>()
  let telling = false
  const tell = () => {
    if (telling) return
    telling = true
    // Watchers may change the state; everybody has seen the last of it in the end.
    for (let seen: S | undefined; seen !== state; ) {
      seen = state
      for (const watcher of [...watchers]) watcher()
    }
    telling = false
  }
  return {
    get: () => state,
    set(change) {
      state = { ...state, ...change }
      tell()
    },
    watch(select, show) {
      let before: readonly unknown[] | undefined
      const watcher = () => {
        const now = select(state)
        if (before && now.every((value, k) => Object.is(value, before![k]))) return
        before = now
        show(...now)
      }
      watchers.add(watcher)
      watcher()
      return () => watchers.delete(watcher)
    },
  }
}
