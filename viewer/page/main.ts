/** The page's beginning: state, workers, views, panels. */
import { readManifest } from '../shared/manifest.ts'
import { keepAnalyses } from './analyses.ts'
import { crosshairBar } from './crosshair-bar.ts'
import { setText, translate } from './dom.ts'
import { createFiles } from './files.ts'
import { addError, addMessage, messageList } from './messages.ts'
import { createPane, type Pane } from './pane.ts'
import { explainPanel } from './panel-explain.ts'
import { exportPanel } from './panel-export.ts'
import { overlayPanel, viewPanel } from './panel-overlay.ts'
import { networkPanel, scanPanel } from './panel-scan.ts'
import { createSession } from './session.ts'
import { createPageStore, type PageStore, type Theme } from './state.ts'
import { type Language, setLanguage } from './strings.ts'

const store = createPageStore()
const worker = (file: string) => new Worker(new URL(file, import.meta.url), { type: 'module' })
const session = createSession(store, { engine: worker('./engine.js'), analysis: worker('./analysis.js') })
const find = <E extends Element>(selector: string) => document.querySelector<E>(selector)!

choose(store)
build()
await begin()

function build(): void {
  const files = createFiles(store, session)
  document.body.append(messageList(store))
  find('.controls').append(
    scanPanel(store, session, files.pickScan),
    networkPanel(store, session, files.pickNetwork),
    explainPanel(store, session),
    overlayPanel(store, session),
    viewPanel(store, session),
    exportPanel(store, session),
  )
  find('.stage').append(crosshairBar(store))
  keepAnalyses(store, session)
  const status = find('.gpu')
  store.watch(
    ({ gpu }) => [gpu],
    ({ state, name }) => {
      status.className = `gpu ${state}`
      if (state === 'ready') setText(status, 'gpuReady', { name })
      else setText(status, state === 'none' ? 'gpuNone' : 'gpuOpening')
    },
  )
  store.watch(
    ({ title }) => [title],
    (title) => {
      find('.title').textContent = title
    },
  )
}

/** The first view, then what the manifest names; a second view when it is asked for. */
async function begin(): Promise<void> {
  const panes: Promise<Pane>[] = []
  const open = (index: 0 | 1) => {
    panes[index] ??= createPane(store, session, index)
    panes[index].catch((error) => addError(store, error, { key: 'webglNone' }))
    return panes[index]
  }
  const address = new URL('data/manifest.json', document.baseURI)
  const fetchFile = async (url: string) => {
    const response = await fetch(new URL(url, address))
    if (!response.ok) throw new Error(`${url}: ${response.status} ${response.statusText}`)
    return new Uint8Array(await response.arrayBuffer())
  }
  const manifest = fetchFile('manifest.json').then((bytes) => readManifest(JSON.parse(new TextDecoder().decode(bytes))))
  void open(0).catch(() => undefined)
  store.watch(
    ({ compare }) => [compare],
    (compare) => {
      find('.panes').classList.toggle('two', compare)
      if (compare) void open(1)
    },
  )
  try {
    await session.start(await manifest, fetchFile)
  } catch (error) {
    addError(store, error, { key: 'loadFailed', values: { name: 'data/manifest.json' } })
  }
}

/** Language and colours, kept for the next visit. */
function choose({ watch, set }: PageStore): void {
  const language = find<HTMLSelectElement>('#language')
  const theme = find<HTMLSelectElement>('#theme')
  const german = navigator.language.startsWith('de')
  const kept = (name: string) => {
    try {
      return localStorage.getItem(`voxplain-${name}`)
    } catch {
      return null
    }
  }
  const keep = (name: string, value: string) => {
    try {
      localStorage.setItem(`voxplain-${name}`, value)
    } catch {
      // A page that may not keep anything works all the same.
    }
  }
  set({
    language: (kept('language') as Language | null) ?? (german ? 'de' : 'en'),
    theme: (kept('theme') as Theme | null) ?? 'auto',
  })
  language.addEventListener('change', () => set({ language: language.value as Language }))
  theme.addEventListener('change', () => set({ theme: theme.value as Theme }))
  watch(
    ({ language: now }) => [now],
    (now) => {
      language.value = now
      setLanguage(now)
      document.documentElement.lang = now
      translate(document)
      keep('language', now)
    },
  )
  watch(
    ({ theme: now }) => [now],
    (now) => {
      theme.value = now
      document.documentElement.dataset.theme = now
      keep('theme', now)
    },
  )
}

addEventListener('unhandledrejection', ({ reason }) => addError(store, reason, { key: 'failed' }))
addEventListener('error', ({ message }) => addMessage(store, { kind: 'error', key: 'failed', detail: message }))
