/** What can be done on the page: open scans and networks, predict, explain. Talks to the workers, changes the state. */
import { sameGrid } from '../../src/io/resample.ts'
import type { ScanCovariates } from '../../src/model/recipe/residual.ts'
import type { Manifest } from '../shared/manifest.ts'
import { connect, type Remote } from '../shared/rpc.ts'
import type { AnalysisCalls } from '../worker/analysis.ts'
import type { EngineCalls } from '../worker/engine.ts'
import { createExplaining, type Explaining } from './explaining.ts'
import { createMaps, type Maps } from './maps.ts'
import { addError, addMessage, dropMessages } from './messages.ts'
import { type NetworkChoice, type PageStore, pairOf, type Scan, type Subject } from './state.ts'

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
  readonly explain: Explaining['explain']
  readonly cancel: Explaining['cancel']
  readonly showMap: Maps['show']
}

export function createSession(store: PageStore, workers: { engine: Worker; analysis: Worker }): Session {
  const engine = connect<EngineCalls>(workers.engine, (news: { type: 'gpu-lost' }) => {
    if (news.type === 'gpu-lost') addMessage(store, { kind: 'note', key: 'gpuLost' })
  })
  const analysis = connect<AnalysisCalls>(workers.analysis)
  const scans = new Map<string, Promise<Scan>>()
  const loaded = new Map<string, Promise<unknown>>()
  const maps = createMaps(store, analysis)
  const { explain, cancel } = createExplaining(store, engine, maps)
  /** The atlas, where there is one; and the first view with all that the first prediction waits for. */
  let placed: Promise<void> | undefined
  let begun: Promise<unknown> = Promise.resolve()

  // The engine starts while the page is still loading what it draws with.
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
  engine.call('methods', undefined).then(
    (methods) => store.set({ methods }),
    (error) => addError(store, error, { key: 'failed' }),
  )

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

  /** The scan as soon as it is read, then the regions in its space. @returns whether it could be read */
  async function showSubject(id: string): Promise<boolean> {
    const { name } = subjectOf(id)
    const isChosen = () => store.get().subject === id
    store.set({ subject: id, prediction: undefined, fit: undefined })
    dropMessages(store, ...MISFITS)
    try {
      const scan = await scanOf(id)
      if (!isChosen()) return true
      const { shape, affine } = scan.volume
      const before = store.get().scan?.volume
      const same = before && sameGrid(before, scan.volume)
      store.set({ scan, ...(!same && { regions: undefined }) })
      maps.showOwn(id)
      await placed
      const regions = (await analysis.call('regions', { grid: { shape, affine } })) ?? null
      if (isChosen()) store.set({ regions })
      return true
    } catch (error) {
      addError(store, error, { key: 'notUsable', values: { name } })
      return false
    }
  }

  async function openSubject(id: string): Promise<void> {
    if ((await showSubject(id)) && store.get().subject === id) await predict()
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

  async function predict(): Promise<void> {
    await begun
    const { scan, facts, gpu, subject, network } = store.get()
    if (!scan || !facts || scan.subject !== subject) return
    const same = () => store.get().subject === subject && store.get().network === network
    const fit = await engine.call('fit', pairOf(store))
    if (!same()) return
    store.set({ fit })
    if (fit.refusal !== undefined) return refuse(fit.refusal, fit.resampling)
    if (gpu.state !== 'ready') return
    store.set({ predicting: true })
    try {
      const { probabilities, notes } = await engine.call('predict', pairOf(store))
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
    const { facts, scan } = store.get()
    const grid = facts?.grid
    // A scan that lies as it should lacks something else.
    const placed = scan && grid?.affine && sameGrid(scan.volume, { ...grid, affine: grid.affine })
    if (!grid || placed) {
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

  async function start(manifest: Manifest, fetchFile: (url: string) => Promise<Uint8Array>): Promise<void> {
    const { subjects, networks, atlas } = manifest
    store.set({
      title: manifest.title,
      subjects: subjects.map(({ scan, ...one }) => ({ ...one, own: false, bytes: () => fetchFile(scan) })),
      networks: networks.map(({ file, ...one }) => ({ ...one, bytes: () => fetchFile(file) })),
    })
    const map =
      manifest.maps.find(({ id }) => id === manifest.start.map) ??
      manifest.maps.find(({ subject }) => subject === (manifest.start.subject ?? subjects[0]?.id))
    const first = map?.subject ?? manifest.start.subject ?? subjects[0]?.id
    const failed = (name: string) => (error: unknown) => addError(store, error, { key: 'loadFailed', values: { name } })
    // All at once, but what the GPU has to do for the network waits for the first view: there is one queue for both.
    placed = atlas && loadAtlas(atlas, fetchFile).catch(failed('atlas'))
    const loaded = map && maps.load(map, fetchFile).catch(failed(map.name))
    const shown = [first && showSubject(first), loaded?.then(() => maps.showOwn(map!.subject))]
    begun = Promise.all([...shown, opened])
    const network = manifest.start.network ?? networks[0]?.id
    if (network) await openNetwork(network)
    await begun
    await Promise.allSettled(manifest.maps.map((one) => maps.load(one, fetchFile)))
  }

  async function loadAtlas(atlas: NonNullable<Manifest['atlas']>, fetchFile: (url: string) => Promise<Uint8Array>) {
    const [volume, table] = await Promise.all([fetchFile(atlas.volume), fetchFile(atlas.names)])
    const names = new TextDecoder().decode(table)
    engine.call('atlas', { volume, names }).catch(() => undefined)
    await analysis.call('atlas', { volume, names })
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
    cancel,
    showMap: maps.show,
  }
}
