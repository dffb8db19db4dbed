/** Which method, told what, for which class; its progress, and a mask's score as it falls. */
import type { MethodFacts, SettingFacts } from '../worker/method-facts.ts'
import { el, field, setLabel, setOptions, setText, svg } from './dom.ts'
import type { Session } from './session.ts'
import type { Job, PageStore } from './state.ts'
import { fixed, say } from './strings.ts'

export function explainPanel(store: PageStore, session: Session): HTMLElement {
  const method = el('select')
  const target = el('select')
  const settings = el('div', { class: 'settings' })
  /** What was typed, by method and setting; empty: the default. */
  const given = new Map<string, string>()
  const chosen = () => store.get().methods.find(({ name }) => name === method.value)

  const showSettings = () => {
    const own = chosen()
    settings.replaceChildren(...(own?.settings ?? []).map((setting) => settingField(own!, setting, given)))
  }
  method.addEventListener('change', showSettings)
  store.watch(
    (state) => [state.methods],
    (methods) => {
      const wanted = method.value || 'lrp'
      setOptions(
        method,
        methods.map(({ name, title }) => ({ value: name, text: title })),
        wanted,
      )
      showSettings()
    },
  )
  store.watch(
    (state) => [state.facts, state.language],
    (facts) => {
      const classes = (facts?.classes ?? []).map((name, k) => ({ value: String(k), text: name }))
      setOptions(target, [{ value: '', text: say('predicted') }, ...classes], '')
    },
  )

  const compute = el('button', { class: 'primary', t: 'compute', attributes: { type: 'submit', 'data-do': 'explain' } })
  const cancel = el('button', {
    t: 'cancel',
    attributes: { type: 'button', 'data-do': 'cancel' },
    on: { click: () => session.cancel() },
  })
  const form = el(
    'form',
    {
      on: {
        submit: (event) => {
          event.preventDefault()
          const own = chosen()
          const index = target.value === '' ? undefined : Number(target.value)
          if (own) void session.explain(wordOf(own, given), own.title, index)
        },
      },
    },
    field('method', method),
    field('target', target),
    el('details', { class: 'method-settings' }, el('summary', { t: 'settings' }), settings),
    el('div', { class: 'row' }, compute, cancel),
  )
  store.watch(
    ({ job, gpu, fit, facts, scan }) => [job, gpu, fit, facts, scan],
    (job, gpu, fit, facts, scan) => {
      compute.disabled = job !== undefined || gpu.state !== 'ready' || !facts || !scan || fit?.refusal !== undefined
      cancel.disabled = job === undefined
    },
  )
  return el('section', { class: 'panel', label: 'explain' }, el('h2', { t: 'explain' }), form, progress(store))
}

/** A method with its settings in one word, as on the command line. */
function wordOf({ name, settings }: MethodFacts, given: ReadonlyMap<string, string>): string {
  const told = settings.flatMap((setting) => {
    const value = given.get(`${name}.${setting.name}`)
    return value === undefined || value === '' || value === setting.default ? [] : [`${setting.name}=${value}`]
  })
  return [name, ...told].join(':')
}

function settingField(method: MethodFacts, setting: SettingFacts, given: Map<string, string>): HTMLElement {
  const key = `${method.name}.${setting.name}`
  const { words, kind } = setting
  const value = given.get(key) ?? setting.default
  const choices = kind === 'boolean' ? ['false', 'true'] : words.length > 1 ? words : []
  let control: HTMLSelectElement | HTMLInputElement
  if (choices.length > 0) {
    control = el('select')
    const text = (word: string) => (kind === 'boolean' ? say(word as 'true' | 'false') : word)
    setOptions(
      control as HTMLSelectElement,
      choices.map((word) => ({ value: word, text: text(word) })),
      value,
    )
  } else {
    const placeholder = setting.default
    control = el('input', {
      attributes: {
        type: 'text',
        inputmode: kind === 'number' ? 'decimal' : undefined,
        placeholder,
        autocomplete: 'off',
      },
    })
    control.value = given.get(key) ?? ''
  }
  control.name = key
  control.addEventListener('input', () => given.set(key, control.value.trim()))
  // The words are in the list already.
  const about = words.length > 1 ? setting.text.split(':')[0]! : setting.text
  const hint = el('span', { class: 'quiet', attributes: { lang: 'en' } }, about)
  return el('label', { class: 'setting' }, el('span', { class: 'name' }, setting.name), control, hint)
}

const TRACE = { width: 300, height: 64 }

/** Progress bar, what is going on in words, and the fall of a watched mask's score. */
function progress(store: PageStore): HTMLElement {
  const bar = el('progress', { attributes: { max: 1, value: 0 } })
  setLabel(bar, 'explain')
  const words = el('p', { class: 'quiet state', attributes: { 'aria-live': 'polite' } })
  const line = svg('polyline', { class: 'trace' })
  const { width, height } = TRACE
  const chart = svg('svg', { class: 'trace-box', viewBox: `0 0 ${width} ${height}`, role: 'img' }, line)
  setLabel(chart, 'maskTrace')
  const element = el('div', { class: 'progress' }, bar, words, chart)
  chart.style.display = 'none'
  let spoken = -1
  store.watch(
    ({ job }) => [job],
    (job) => {
      bar.style.visibility = job ? 'visible' : 'hidden'
      bar.value = job?.share ?? 0
      if (!job) {
        spoken = -1
        words.removeAttribute('data-t')
        return words.replaceChildren()
      }
      const { method, share, watched } = job
      const last = watched.at(-1)
      // Whole tenths, so that a screen reader is not flooded.
      const tenth = Math.floor(10 * share)
      if (last) {
        chart.style.display = ''
        line.setAttribute('points', tracePoints(watched))
        const { iteration, iterations } = last
        const score = fixed(last.score, 3)
        setText(words, 'maskWatch', { class: job.className, score, iteration, iterations })
      } else if (tenth !== spoken) {
        spoken = tenth
        chart.style.display = 'none'
        setText(words, 'computing', { method, percent: Math.round(100 * share) })
      }
    },
  )
  return element
}

function tracePoints(watched: Job['watched']): string {
  const { width, height } = TRACE
  const most = Math.max(1e-9, ...watched.map(({ score }) => score))
  return watched
    .map(({ iteration, iterations, score }) => {
      const y = height - 2 - (Math.max(0, score) / Math.max(1, most)) * (height - 4)
      return `${((width * iteration) / iterations).toFixed(1)},${y.toFixed(1)}`
    })
    .join(' ')
}
