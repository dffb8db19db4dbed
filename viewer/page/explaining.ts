/** One explanation at a time: progress, a mask that is watched, the end or the end that somebody made of it. */
import type { Volume } from '../../src/io/volume.ts'
import type { Remote } from '../shared/rpc.ts'
import type { EngineCalls } from '../worker/engine.ts'
import type { ExplainProgress } from '../worker/explain.ts'
import { type Maps, peakOf } from './maps.ts'
import { addError, addMessage } from './messages.ts'
import { type PageStore, pairOf } from './state.ts'
import { say } from './strings.ts'

/** Relevance from which a mask on its way has found something. */
const FOUND = 0.3

export interface Explaining {
  /** @param method with its settings, as on the command line. @param target class; undefined: the predicted one */
  explain(method: string, title: string, target: number | undefined): Promise<void>
  cancel(): void
}

export function createExplaining(store: PageStore, engine: Remote<EngineCalls>, maps: Maps): Explaining {
  let job: AbortController | undefined
  let made = 0
  /** Of the mask that is watched: its latest step, and whether the crosshair has gone to it. */
  let stepping = Promise.resolve()
  let located = false

  async function explain(method: string, title: string, target: number | undefined): Promise<void> {
    const { facts, prediction, scan, network, networks } = store.get()
    if (!facts || !scan) return
    job?.abort()
    const controller = new AbortController()
    job = controller
    const best = prediction ? prediction.indexOf(Math.max(...prediction)) : 0
    const chosen = target ?? best
    const className = facts.classes[chosen]!
    const networkName = networks.find(({ id }) => id === network)!.name
    const id = `made-${++made}`
    const about = { id, subject: scan.subject, name: `${title}, ${className}, ${networkName}` }
    store.set({ job: { method: title, share: 0, className, watched: [] } })
    const began = performance.now()
    located = false
    try {
      const call = { ...pairOf(store), id, method, target: chosen }
      const onProgress = (progress: ExplainProgress) => {
        stepping = onStep(progress, { ...about, volume: scan.volume }, controller)
      }
      const {
        data,
        signed,
        facts: found,
        title: full,
      } = await engine.call('explain', call, {
        signal: controller.signal,
        onProgress: onProgress as (value: never) => void,
      })
      const volume: Volume = { shape: scan.volume.shape, affine: scan.volume.affine, data }
      const isMask = method.startsWith('mask')
      await maps.keep({
        ...about,
        volume,
        signed,
        ...(isMask && { max: 1 }),
        made: { method: full, network: networkName, className, facts: found },
      })
      // Whoever looks at somebody else by now finds it among the maps.
      if (store.get().subject === scan.subject) {
        maps.show(0, id)
        store.set({ crosshair: peakOf(volume) })
      }
      const seconds = ((performance.now() - began) / 1000).toFixed(1)
      addMessage(store, { kind: 'note', key: 'computed', values: { method: title, seconds } })
    } catch (error) {
      if (controller.signal.aborted) {
        await stepping
        maps.drop(id)
        if (store.get().shown[0] === id) maps.showOwn(scan.subject)
        addMessage(store, { kind: 'note', key: 'cancelled' })
      } else addError(store, error, { key: 'failed' })
    } finally {
      if (job === controller) {
        job = undefined
        store.set({ job: undefined })
      }
    }
  }

  /** Progress; of a mask also the map so far, which is shown as it grows. */
  async function onStep(
    { share, mask }: ExplainProgress,
    about: { id: string; name: string; subject: string; volume: Volume },
    controller: AbortController,
  ): Promise<void> {
    const before = store.get().job
    if (!before || job !== controller || controller.signal.aborted) return
    if (!mask) return store.set({ job: { ...before, share } })
    const { iteration, iterations, score, relevance } = mask
    store.set({ job: { ...before, share, watched: [...before.watched, { iteration, iterations, score }] } })
    const { shape, affine } = about.volume
    const volume = { shape, affine, data: relevance }
    await maps.keep({ ...about, volume, signed: false, max: 1 })
    if (job !== controller || store.get().subject !== about.subject) return
    if (store.get().shown[0] !== about.id) maps.show(0, about.id)
    // Once it has found something, that is where to look.
    if (!located && relevance.some((value) => value > FOUND)) {
      located = true
      store.set({ crosshair: peakOf(volume) })
    }
  }

  return { explain, cancel: () => job?.abort(new DOMException(say('cancelled'), 'AbortError')) }
}
