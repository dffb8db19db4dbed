/** Which method, told what, for which class. */
import type { MethodFacts, SettingFacts } from '../worker/method-facts.ts'
import { el, field, setOptions } from './dom.ts'
import { methodTitle } from './method-titles.ts'
import { progress } from './progress.ts'
import type { Session } from './session.ts'
import { settingHint } from './setting-hints.ts'
import type { PageStore } from './state.ts'
import { say } from './strings.ts'

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
    (state) => [state.methods, state.language],
    (methods) => {
      const wanted = method.value || 'lrp'
      setOptions(
        method,
        methods.map((one) => ({ value: one.name, text: methodTitle(one) })),
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
          if (own) void session.explain(wordOf(own, given), methodTitle(own), index)
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
  const { text: about, lang } = settingHint(setting)
  const hint = el('span', { class: 'quiet', attributes: { lang } }, about)
  return el('label', { class: 'setting' }, el('span', { class: 'name' }, setting.name), control, hint)
}
