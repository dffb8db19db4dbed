/** The maps that the page has: kept, shown, found again. */
import type { Volume } from '../../src/io/volume.ts'
import type { Manifest } from '../shared/manifest.ts'
import type { Remote } from '../shared/rpc.ts'
import type { AnalysisCalls } from '../worker/analysis.ts'
import { mapById, type PageStore, type Point, type RelevanceMap } from './state.ts'

export interface Maps {
  /** Adds a map, or puts a newer one in the place of one with its id. */
  keep(map: Omit<RelevanceMap, 'max' | 'display'> & { max?: number }): Promise<void>
  drop(id: string): void
  /** Shows a map in a view, and goes to its peak when it is the first. */
  show(view: 0 | 1, id: string): void
  /** Shows a map of the subject that is there already: of the same name as the one before, if there is one. */
  showOwn(subject: string): void
  /** Of the manifest. */
  load(map: Manifest['maps'][number], fetchFile: (url: string) => Promise<Uint8Array>): Promise<void>
}

export function createMaps(store: PageStore, analysis: Remote<AnalysisCalls>): Maps {
  async function keep(map: Parameters<Maps['keep']>[0]): Promise<void> {
    const { id, volume } = map
    const { display, max } = await analysis.call('map', { id, volume })
    const others = store.get().maps.filter(({ id }) => id !== map.id)
    store.set({ maps: [...others, { ...map, max: map.max ?? max, display: display ?? volume }] })
  }

  function show(view: 0 | 1, id: string): void {
    const { shown, analyses } = store.get()
    const map = mapById(store.get(), id)
    store.set({
      shown: view === 0 ? [id, shown[1]] : [shown[0], id],
      analyses: view === 0 ? [undefined, analyses[1]] : [analyses[0], undefined],
      ...(map && view === 0 && !shown[0] && { crosshair: peakOf(map.volume) }),
    })
  }

  function showOwn(subject: string): void {
    const state = store.get()
    const before = mapById(state, state.shown[0])
    if (before?.subject === subject) return
    const own = state.maps.filter((map) => map.subject === subject)
    const next = own.find(({ name }) => name === before?.name) ?? own[0]
    show(0, next?.id ?? '')
  }

  async function load(map: Manifest['maps'][number], fetchFile: (url: string) => Promise<Uint8Array>): Promise<void> {
    if (mapById(store.get(), map.id)) return
    const { id, name, subject, signed, max } = map
    const bytes = await fetchFile(map.file)
    const { volume } = await analysis.call('read', { bytes, name })
    await keep({ id, name, subject, signed, max, volume, bytes })
  }

  const drop = (id: string) => store.set({ maps: store.get().maps.filter((map) => map.id !== id) })

  return { keep, drop, show, showOwn, load }
}

/** World mm of the voxel with the largest magnitude. */
export function peakOf({ shape, data, affine }: Volume): Point {
  let best = 0
  data.forEach((value, v) => {
    if (Math.abs(value) > Math.abs(data[best]!)) best = v
  })
  const line = Math.floor(best / shape[0])
  const at = [best % shape[0], line % shape[1], Math.floor(line / shape[1])]
  return [0, 1, 2].map(
    (r) => affine[4 * r]! * at[0]! + affine[4 * r + 1]! * at[1]! + affine[4 * r + 2]! * at[2]! + affine[4 * r + 3]!,
  ) as unknown as Point
}
