/** What can be taken home: map, picture, region table, report. Files are made here and saved by the browser. */
import { el } from './dom.ts'
import { addError, addMessage } from './messages.ts'
import type { Session } from './session.ts'
import { mapById, type PageStore, type RelevanceMap, scaleMax } from './state.ts'
import { fixed, type Key, number, say } from './strings.ts'

export function exportPanel(store: PageStore, session: Session): HTMLElement {
  const { analysis, engine } = session

  const stem = (map: RelevanceMap) =>
    `${map.subject}_desc-${map.name}_relevance`.replace(/[^A-Za-z0-9_-]+/g, '-').replace(/-+/g, '-')

  async function pictureOf(map: RelevanceMap) {
    const state = store.get()
    const { volume: scan } = await session.scanOf(map.subject)
    const max = scaleMax(state, map)
    const data = state.analyses[0]?.shown ?? map.volume.data
    const person = state.subjects.find(({ id }) => id === map.subject)?.name ?? map.subject
    const title = `${person}: ${map.name}`
    return {
      scan,
      map: { ...map.volume, data },
      title,
      label: '',
      signed: map.signed,
      max,
      threshold: state.threshold * max,
    }
  }

  async function reportOf(map: RelevanceMap): Promise<string> {
    const state = store.get()
    const picture = await pictureOf(map)
    const found = state.analyses[0]
    const { prediction, facts } = state
    const likelihood = prediction
      ? facts!.classes.map((name, k) => ({ value: `${fixed(100 * prediction[k]!, 1)} %`, text: name }))
      : []
    const told = Object.entries(map.made?.facts ?? {}).filter(([name]) => !name.startsWith('sum:'))
    const person = state.subjects.find(({ id }) => id === map.subject)?.name ?? map.subject
    return analysis.call('report', {
      ...picture,
      heading: say('reportTitle', { subject: person }),
      lead: map.made ? `${map.made.method}, ${map.made.className}. ${map.made.network}.` : map.name,
      caption: say('reportScale', { threshold: picture.threshold, max: picture.max, voxels: state.minVoxels }),
      footer: say('reportMade'),
      numbers: [
        ...likelihood,
        ...told.slice(0, 4).map(([name, value]) => ({ value: number(value), text: name })),
        { value: number(found?.clusters.length ?? 0), text: say('cluster') },
      ],
      regionHead: [say('region'), '+', '−', 'max', 'mm'],
      regions: found?.regions ?? [],
    })
  }

  const kinds: {
    key: Key
    name: string
    ending: string
    type: string
    make: (map: RelevanceMap) => Promise<BlobPart>
  }[] = [
    {
      key: 'exportMap',
      name: 'map',
      ending: '.nii.gz',
      type: 'application/gzip',
      make: async (map) => part(map.bytes ?? (await engine.call('exportMap', { id: map.id })).bytes),
    },
    {
      key: 'exportPicture',
      name: 'picture',
      ending: '.png',
      type: 'image/png',
      make: async (map) => part(await analysis.call('picture', await pictureOf(map))),
    },
    {
      key: 'exportTable',
      name: 'table',
      ending: '.tsv',
      type: 'text/tab-separated-values',
      make: (map) => analysis.call('table', { id: map.id }),
    },
    { key: 'exportReport', name: 'report', ending: '.html', type: 'text/html', make: reportOf },
  ]
  const buttons = kinds.map(({ key, name, ending, type, make }) =>
    el('button', {
      t: key,
      attributes: { type: 'button', 'data-do': `export-${name}` },
      on: {
        click: async () => {
          const map = mapById(store.get(), store.get().shown[0])
          if (!map) return
          try {
            const file = `${stem(map)}${ending}`
            save(new Blob([await make(map)], { type }), file)
            addMessage(store, { kind: 'note', key: 'saved', values: { name: file } })
          } catch (error) {
            addError(store, error, { key: 'failed' })
          }
        },
      },
    }),
  )
  store.watch(
    ({ shown, job }) => [shown[0], job !== undefined],
    (id, busy) => {
      for (const button of buttons) button.disabled = id === '' || busy
    },
  )
  return el(
    'section',
    { class: 'panel', label: 'export' },
    el('h2', { t: 'export' }),
    el('div', { class: 'buttons' }, ...buttons),
  )
}

/** Bytes as a blob takes them. */
const part = (bytes: Uint8Array): BlobPart => bytes as Uint8Array<ArrayBuffer>

function save(blob: Blob, name: string): void {
  const link = el('a', { attributes: { href: URL.createObjectURL(blob), download: name } })
  link.click()
  // The browser has begun to read it by then.
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000)
}
