/** What can be done on the page: open scans and networks, predict, explain. Talks to the workers, changes the state. */
import type { Volume } from '../../src/io/volume.ts'
import type { ScanCovariates } from '../../src/model/recipe/residual.ts'
import type { Manifest } from '../shared/manifest.ts'
import { connect, type Remote } from '../shared/rpc.ts'
import type { AnalysisCalls } from '../worker/analysis.ts'
import type { EngineCalls } from '../worker/engine.ts'
import type { ExplainProgress } from '../worker/explain.ts'
import { addError, addMessage, dropMessages } from './messages.ts'
import {
  mapById,
  type NetworkChoice,
  type PageStore,
  type Point,
  type RelevanceMap,
  type Scan,
  type Subject,
} from './state.ts'
import { say } from './strings.ts'

/** Relevance from which a mask on its way has found something. */
const FOUND = 0.3

/** Messages about a scan and a network that do not go together; another choice ends them. */
const MISFITS = ['misfit', 'expects', 'expectsWhere'] as const

export interface Session {
  readonly engine: Remote<EngineCalls>
  readonly analysis: Remote<AnalysisCalls>
  start(manifest: Manifest, fetchFile: (url: string) => Promise<Uint8Array>): Promise<void>
  openSubject(id: string): Promise<void>
  addSubject(subject: Subject): Promise<void>
  openNetwork(id: string): Promise<void>
  addNetwork(network: NetworkChoice): Promise<void>
  setCovariates(covariates: ScanCovariates): void
  /** Somebody's scan, for a second view. */
  scanOf(subject: string): Promise<Scan>
  /** @param method with its settings, as on the command line */
  explain(method: string, title: string, target: number | undefined): Promise<void>
  cancel(): void
  /** Shows a map in a view, and goes to its peak when it is the first. */
  showMap(view: 0 | 1, id: string): Promise<void>
}

export function createSession(store: PageStore, workers: { engine: Worker; analysis: Worker }): Session {
  const engine = connect<EngineCalls>(workers.engine, (news: { type: 'gpu-lost' }) => {
    if (news.type === 'gpu-lost') addMessage(store, { kind: 'note', key: 'gpuLost' })
  })
  const analysis = connect<AnalysisCalls>(workers.analysis)
  const scans = new Map<string, Promise<Scan>>()
  const loaded = new Map<string, Promise<unknown>>()
  let job: AbortController | undefined
  let made = 0
  /** Of the mask that is watched: its latest step, and whether the crosshair has gone to it. */
  let stepping = Promise.resolve()
  let located = false

  const subjectOf = (id: string) => store.get().subjects.find((subject) => subject.id === id)!
  /** Remembers what went well; what failed is tried again. */
  const once = <T>(known: Map<string, Promise<T>>, id: string, make: () => Promise<T>): Promise<T> => {
    const found = known.get(id) ?? make()
    known.set(id, found)
    found.catch(() => known.delete(id))
    return found
  }

  const scanOf = (id: string): Promise<Scan> =>
    once(scans, id, async () => {
      const { name, bytes } = subjectOf(id)
      const file = await bytes()
      const { volume, display } = await analysis.call('read', { bytes: file, name })
      // Nobody waits for the engine, which may be compiling; what it is asked about the scan comes after the scan.
      engine.call('scan', { id, name, bytes: file }).catch(() => undefined)
      return { subject: id, volume, display: display ?? volume }
    })

  async function openSubject(id: string): Promise<void> {
    const subject = subjectOf(id)
    store.set({ subject: id, prediction: undefined, fit: undefined })
    dropMessages(store, ...MISFITS)
    try {
      const scan = await scanOf(id)
      if (store.get().subject !== id) return
      const { shape, affine } = scan.volume
      const regions = await analysis.call('regions', { grid: { shape, affine } })
      if (store.get().subject !== id) return
      store.set({ scan, regions })
    } catch (error) {
      addError(store, error, { key: 'notUsable', values: { name: subject.name } })
      return
    }
    await Promise.all([showOwnMap(id), predict()])
  }

  /** A map of the subject that is there already: of the same name as the one before, if there is one. */
  async function showOwnMap(subject: string): Promise<void> {
    const state = store.get()
    const before = mapById(state, state.shown[0])
    if (before?.subject === subject) return
    const own = [...state.maps.filter((map) => map.subject === subject)]
    const next = own.find(({ name }) => name === before?.name) ?? own[0]
    await showMap(0, next?.id ?? '')
  }

  async function openNetwork(id: string): Promise<void> {
    const network = store.get().networks.find((one) => one.id === id)!
    store.set({ network: id, facts: undefined, prediction: undefined, fit: undefined })
    dropMessages(store, ...MISFITS)
    try {
      const facts = await once(loaded as Map<string, Promise<never>>, id, async () => {
        const bytes = await network.bytes()
        return (await engine.call('network', { id, name: network.name, bytes, recipe: network.recipe })) as never
      })
      if (store.get().network !== id) return
      store.set({ facts })
    } catch (error) {
      addError(store, error, { key: 'notUsable', values: { name: network.name } })
      return
    }
    await predict()
  }

  function pair() {
    const { subject, network, subjects } = store.get()
    return { scan: subject, network, covariates: subjects.find(({ id }) => id === subject)?.covariates ?? {} }
  }

  async function predict(): Promise<void> {
    const { scan, facts, gpu, subject, network } = store.get()
    if (!scan || !facts || scan.subject !== subject) return
    const same = () => store.get().subject === subject && store.get().network === network
    const fit = await engine.call('fit', pair())
    if (!same()) return
    store.set({ fit })
    if (fit.refusal !== undefined) return refuse(fit.refusal, fit.resampling)
    if (gpu.state !== 'ready') return
    store.set({ predicting: true })
    try {
      const { probabilities, notes } = await engine.call('predict', pair())
      if (!same()) return
      store.set({ prediction: probabilities })
      for (const detail of notes) addMessage(store, { kind: 'note', key: 'scan', detail })
    } catch (error) {
      if (same()) addError(store, error, { key: 'failed' })
    } finally {
      if (same()) store.set({ predicting: false })
    }
  }

  function refuse(detail: string, resampling: boolean): void {
    const grid = store.get().facts?.grid
    if (!grid) {
      addMessage(store, { kind: 'error', key: 'misfit', values: { name: subjectOf(store.get().subject).name }, detail })
      return
    }
    const shape = grid.shape.join(' × ')
    const { affine } = grid
    const where = affine && {
      origin: [affine[3], affine[7], affine[11]].join(', '),
      size: [0, 1, 2].map((c) => Math.hypot(affine[c]!, affine[4 + c]!, affine[8 + c]!)).join(' × '),
    }
    addMessage(store, {
      kind: 'error',
      ...(where
        ? { key: 'expectsWhere', values: { grid: shape, ...where } }
        : { key: 'expects', values: { grid: shape } }),
      detail,
      ...(resampling && { action: { key: 'resample', values: { grid: shape }, run: () => void resample(shape) } }),
    })
  }

  async function resample(grid: string): Promise<void> {
    const { subject, network } = store.get()
    const before = subjectOf(subject)
    const id = `${subject}@${network}`
    try {
      await scanOf(subject)
      const file = await engine.call('resample', { scan: subject, network, id })
      await addSubject({ ...before, id, name: `${before.name}, ${grid}`, own: true, bytes: async () => file.slice() })
    } catch (error) {
      addError(store, error, { key: 'failed' })
    }
  }

  async function addSubject(subject: Subject): Promise<void> {
    const others = store.get().subjects.filter(({ id }) => id !== subject.id)
    scans.delete(subject.id)
    store.set({ subjects: [...others, subject] })
    const before = store.get().subject
    await openSubject(subject.id)
    // A file that is no scan leaves nothing behind.
    if (scans.has(subject.id)) return
    store.set({ subjects: others })
    if (before) await openSubject(before)
  }

  async function addNetwork(network: NetworkChoice): Promise<void> {
    const others = store.get().networks.filter(({ id }) => id !== network.id)
    loaded.delete(network.id)
    const before = store.get().network
    store.set({ networks: [...others, network] })
    await openNetwork(network.id)
    if (loaded.has(network.id)) return
    store.set({ networks: others })
    if (before) await openNetwork(before)
  }

  async function keepMap(map: Omit<RelevanceMap, 'max' | 'display'> & { max?: number }): Promise<void> {
    const { id, volume } = map
    const { display, max } = await analysis.call('map', { id, volume })
    const others = store.get().maps.filter(({ id }) => id !== map.id)
    store.set({ maps: [...others, { ...map, max: map.max ?? max, display: display ?? volume }] })
  }

  async function showMap(view: 0 | 1, id: string): Promise<void> {
    const { shown, analyses } = store.get()
    const map = mapById(store.get(), id)
    store.set({
      shown: view === 0 ? [id, shown[1]] : [shown[0], id],
      analyses: view === 0 ? [undefined, analyses[1]] : [analyses[0], undefined],
      ...(map && view === 0 && !shown[0] && { crosshair: peakOf(map.volume) }),
    })
  }

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
      const call = { ...pair(), id, method, target: chosen }
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
      await keepMap({
        ...about,
        volume,
        signed,
        ...(isMask && { max: 1 }),
        made: { method: full, network: networkName, className, facts: found },
      })
      // Whoever looks at somebody else by now finds it among the maps.
      if (store.get().subject === scan.subject) {
        await showMap(0, id)
        store.set({ crosshair: peakOf(volume) })
      }
      const seconds = ((performance.now() - began) / 1000).toFixed(1)
      addMessage(store, { kind: 'note', key: 'computed', values: { method: title, seconds } })
    } catch (error) {
      if (controller.signal.aborted) {
        await stepping
        store.set({ maps: store.get().maps.filter((map) => map.id !== id) })
        if (store.get().shown[0] === id) await showOwnMap(scan.subject)
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
    await keepMap({ ...about, volume, signed: false, max: 1 })
    if (job !== controller || store.get().subject !== about.subject) return
    if (store.get().shown[0] !== about.id) await showMap(0, about.id)
    // Once it has found something, that is where to look.
    if (!located && relevance.some((value) => value > FOUND)) {
      located = true
      store.set({ crosshair: peakOf(volume) })
    }
  }

  async function start(manifest: Manifest, fetchFile: (url: string) => Promise<Uint8Array>): Promise<void> {
    const { subjects, networks, maps, atlas } = manifest
    store.set({
      title: manifest.title,
      subjects: subjects.map(({ scan, ...one }) => ({ ...one, own: false, bytes: () => fetchFile(scan) })),
      networks: networks.map(({ file, ...one }) => ({ ...one, bytes: () => fetchFile(file) })),
    })
    const opened = engine.call('open', undefined).then(
      ({ name }) => store.set({ gpu: { state: 'ready', name } }),
      (error: unknown) => {
        store.set({ gpu: { state: 'none', name: '' } })
        // The text names the browsers; the reason is news where the browser would be one of them.
        const reason = error instanceof Error ? error.message : String(error)
        const detail = /no WebGPU/.test(reason) ? undefined : reason
        addMessage(store, { kind: 'note', key: 'gpuNoneHelp', detail })
      },
    )
    const first = manifest.start.subject ?? subjects[0]?.id
    const map = maps.find(({ id }) => id === manifest.start.map) ?? maps.find(({ subject }) => subject === first)
    const placed = atlas && loadAtlas(atlas, fetchFile)
    const loading = maps.map((one) => () => loadMap(one, fetchFile))
    // What is seen first comes first.
    if (map)
      await loadMap(map, fetchFile).catch((error) =>
        addError(store, error, { key: 'loadFailed', values: { name: map.name } }),
      )
    await placed?.catch((error: unknown) => addError(store, error, { key: 'loadFailed', values: { name: 'atlas' } }))
    const subject = first ? openSubject(map?.subject ?? first) : undefined
    await subject
    const network = manifest.start.network ?? networks[0]?.id
    if (network) await openNetwork(network)
    store.set({ methods: await engine.call('methods', undefined) })
    await opened
    await predict()
    await Promise.allSettled(loading.map((load) => load()))
  }

  async function loadAtlas(atlas: NonNullable<Manifest['atlas']>, fetchFile: (url: string) => Promise<Uint8Array>) {
    const [volume, table] = await Promise.all([fetchFile(atlas.volume), fetchFile(atlas.names)])
    const names = new TextDecoder().decode(table)
    engine.call('atlas', { volume, names }).catch(() => undefined)
    await analysis.call('atlas', { volume, names })
  }

  async function loadMap(map: Manifest['maps'][number], fetchFile: (url: string) => Promise<Uint8Array>) {
    if (mapById(store.get(), map.id)) return
    const { id, name, subject, signed, max } = map
    const bytes = await fetchFile(map.file)
    const { volume } = await analysis.call('read', { bytes, name })
    await keepMap({ id, name, subject, signed, max, volume, bytes })
  }

  return {
    engine,
    analysis,
    start,
    openSubject,
    addSubject,
    openNetwork,
    addNetwork,
    setCovariates(covariates) {
      const { subject, subjects } = store.get()
      store.set({ subjects: subjects.map((one) => (one.id === subject ? { ...one, covariates } : one)) })
      dropMessages(store, ...MISFITS)
      void predict()
    },
    scanOf,
    explain,
    cancel: () => job?.abort(new DOMException(say('cancelled'), 'AbortError')),
    showMap,
  }
}

/** World mm of the voxel with the largest magnitude. */
function peakOf({ shape, data, affine }: Volume): Point {
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
