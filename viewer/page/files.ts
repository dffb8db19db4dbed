/** Files of the visitor: by picker, or dropped anywhere on the page. Nothing of them leaves the browser. */
import { el } from './dom.ts'
import { addError, addMessage } from './messages.ts'
import type { Session } from './session.ts'
import type { PageStore } from './state.ts'
import { fixed } from './strings.ts'

/** Larger files are refused by their size, before they are read: a page cannot hold them several times over. */
export const MOST_BYTES = 1e9

const SCANS = '.nii,.nii.gz,.gz'
const NETWORKS = '.safetensors,.onnx,.h5,.hdf5,.keras,.pt,.pth,.tar'

export interface Files {
  pickScan(): void
  pickNetwork(): void
}

export function createFiles(store: PageStore, session: Session): Files {
  let count = 0

  const size = (bytes: number) => (bytes < 1e9 ? `${fixed(bytes / 1e6, 0)} MB` : `${fixed(bytes / 1e9, 1)} GB`)

  async function add(file: File, as: 'scan' | 'network'): Promise<void> {
    const { name } = file
    if (file.size > MOST_BYTES) {
      const values = { name, size: size(file.size), limit: size(MOST_BYTES) }
      return addMessage(store, { kind: 'error', key: 'tooLarge', values })
    }
    const id = `own-${++count}`
    const bytes = async () => new Uint8Array(await file.arrayBuffer())
    try {
      if (as === 'scan') await session.addSubject({ id, name, own: true, covariates: {}, bytes })
      else await session.addNetwork({ id, name, bytes })
    } catch (error) {
      addError(store, error, { key: 'notUsable', values: { name } })
    }
  }

  /** What a file is, by its first bytes: gzip and NIfTI headers are scans, the rest may be networks. */
  async function kindOf(file: File): Promise<'scan' | 'network'> {
    if (/\.(nii|nii\.gz|hdr|img|mgz)$/i.test(file.name)) return 'scan'
    if (NETWORKS.split(',').some((ending) => file.name.toLowerCase().endsWith(ending))) return 'network'
    const [a, b] = new Uint8Array(await file.slice(0, 4).arrayBuffer())
    return (a === 0x1f && b === 0x8b) || (a === 0x5c && b === 1) ? 'scan' : 'network'
  }

  async function addAll(files: readonly File[]): Promise<void> {
    for (const file of files) await add(file, await kindOf(file))
  }

  const picker = (as: 'scan' | 'network', accept: string) => {
    const input = el('input', {
      attributes: { type: 'file', accept, hidden: true, 'data-picks': as },
      on: {
        change: async () => {
          const [file] = input.files ?? []
          if (file) await add(file, as)
          // So that the same file can be picked again.
          input.value = ''
        },
      },
    })
    document.body.append(input)
    return input
  }
  const scan = picker('scan', SCANS)
  const network = picker('network', NETWORKS)

  const veil = el('div', { class: 'drop', attributes: { hidden: true } }, el('p', { t: 'dropHere' }))
  document.body.append(veil)
  const isFile = (event: DragEvent) => event.dataTransfer?.types.includes('Files') ?? false
  addEventListener('dragover', (event) => {
    if (!isFile(event)) return
    event.preventDefault()
    veil.hidden = false
  })
  addEventListener('dragleave', (event) => {
    if (event.relatedTarget === null) veil.hidden = true
  })
  addEventListener('drop', (event) => {
    veil.hidden = true
    if (!isFile(event)) return
    event.preventDefault()
    void addAll([...(event.dataTransfer?.files ?? [])])
  })
  return { pickScan: () => scan.click(), pickNetwork: () => network.click() }
}
