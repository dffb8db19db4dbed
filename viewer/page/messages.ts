/** Messages in the page: what went wrong and what to do. An error never leaves the page dead. */
import { RemoteError } from '../shared/rpc.ts'
import { el } from './dom.ts'
import type { Message, PageStore } from './state.ts'
import type { Key } from './strings.ts'

/** Milliseconds after which good news goes away by itself. */
const BRIEF = 8000

/** More than these at a time would hide the page. */
const MOST = 4

let last = 0

export function addMessage(store: PageStore, message: Omit<Message, 'id'>): void {
  const others = store.get().messages.filter(({ key, detail }) => key !== message.key || detail !== message.detail)
  store.set({ messages: [...others, { ...message, id: ++last }].slice(-MOST) })
}

/** Takes messages of these keys away, because what they say is no longer so. */
export function dropMessages(store: PageStore, ...keys: Message['key'][]): void {
  const messages = store.get().messages.filter(({ key }) => !keys.includes(key))
  if (messages.length < store.get().messages.length) store.set({ messages })
}

/** Tells what went wrong; a cancelled job is no error. */
export function addError(store: PageStore, error: unknown, message: Omit<Message, 'id' | 'kind' | 'detail'>): void {
  if (error instanceof DOMException && error.name === 'AbortError') return
  const failure = error instanceof RemoteError ? error.failure : undefined
  const lost = failure?.kind === 'lost' || failure?.name === 'NoAdapterError'
  const known: Key | undefined = failure?.kind === 'out-of-memory' ? 'outOfMemory' : lost ? 'gpuGone' : undefined
  const detail = error instanceof Error ? error.message : String(error)
  addMessage(store, { ...message, ...(known && { key: known, values: undefined }), kind: 'error', detail })
}

export function messageList(store: PageStore): HTMLElement {
  const list = el('div', { class: 'messages', attributes: { 'aria-live': 'assertive' } })
  const shown = new Map<number, HTMLElement>()
  store.watch(
    ({ messages }) => [messages],
    (messages) => {
      for (const [id, element] of shown) {
        if (messages.some((message) => message.id === id)) continue
        element.remove()
        shown.delete(id)
      }
      for (const message of messages) {
        if (shown.has(message.id)) continue
        const element = show(store, message)
        const { kind, detail, action, id } = message
        const brief = kind === 'note' && detail === undefined && !action && message.key !== 'gpuNoneHelp'
        if (brief) setTimeout(() => drop(store, id), BRIEF)
        shown.set(message.id, element)
        list.append(element)
      }
    },
  )
  return list
}

function drop(store: PageStore, id: number): void {
  store.set({ messages: store.get().messages.filter((message) => message.id !== id) })
}

function show(store: PageStore, { id, kind, key, values, detail, action }: Message): HTMLElement {
  const dismiss = () => drop(store, id)
  return el(
    'div',
    { class: `message ${kind}`, attributes: { role: kind === 'error' ? 'alert' : 'status' } },
    el('p', { t: key, values }),
    detail !== undefined && el('p', { class: 'detail', attributes: { lang: 'en' } }, detail),
    action &&
      el('button', {
        t: action.key,
        values: action.values,
        attributes: { type: 'button' },
        on: {
          click: () => {
            dismiss()
            action.run()
          },
        },
      }),
    el('button', { class: 'close', label: 'dismiss', attributes: { type: 'button' }, on: { click: dismiss } }, '×'),
  )
}
