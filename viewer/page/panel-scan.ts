/** Which scan, which network, what the network says, and the covariates it asks for. */
import type { ResidualCovariate } from '../../src/model/recipe/residual.ts'
import { el, field, setOptions, setText } from './dom.ts'
import type { Session } from './session.ts'
import type { PageStore } from './state.ts'
import { fixed, number, say } from './strings.ts'

export function scanPanel(store: PageStore, session: Session, pickScan: () => void): HTMLElement {
  const select = el('select', { on: { change: () => void session.openSubject(select.value) } })
  store.watch(
    ({ subjects, subject, language }) => [subjects, subject, language],
    (subjects, subject) => {
      const text = (name: string, own: boolean) => (own ? `${name} (${say('own')})` : name)
      setOptions(
        select,
        subjects.map(({ id, name, own }) => ({ value: id, text: text(name, own) })),
        subject,
      )
    },
  )
  return el(
    'section',
    { class: 'panel', label: 'scan' },
    el('h2', { t: 'scan' }),
    withOpener(field('subject', select), 'ownScan', 'ownScanHint', pickScan),
    el('p', { class: 'quiet', t: 'privacy' }),
    covariateForm(store, session),
  )
}

export function networkPanel(store: PageStore, session: Session, pickNetwork: () => void): HTMLElement {
  const select = el('select', { on: { change: () => void session.openNetwork(select.value) } })
  const facts = el('p', { class: 'quiet facts-line' })
  const likelihood = el('div', { class: 'likelihood', attributes: { 'aria-live': 'polite' } })
  store.watch(
    ({ networks, network }) => [networks, network],
    (networks, network) =>
      setOptions(
        select,
        networks.map(({ id, name }) => ({ value: id, text: name })),
        network,
      ),
  )
  store.watch(
    (state) => [state.facts, state.language],
    (found) => {
      if (!found) return facts.replaceChildren('\u00a0')
      const { layers, parameters, input } = found
      setText(facts, 'networkFacts', { layers, parameters, input: input.slice(1).join('×') })
    },
  )
  store.watch(
    (state) => [state.facts, state.prediction, state.predicting, state.language],
    (found, prediction, predicting) => {
      // As many lines as classes, whether or not there is a prediction: nothing moves when it comes.
      const classes = found?.classes ?? ['\u00a0', '\u00a0']
      likelihood.replaceChildren(
        ...classes.map((name, k) =>
          classRow(name, prediction?.[k], prediction?.every((p) => p <= prediction[k]!) ?? false),
        ),
        el('p', { class: 'quiet state', t: predicting ? 'predicting' : prediction ? undefined : 'noPrediction' }),
      )
    },
  )
  return el(
    'section',
    { class: 'panel', label: 'network' },
    el('h2', { t: 'network' }),
    withOpener(field('network', select), 'ownNetwork', 'ownNetworkHint', pickNetwork),
    facts,
    el('h3', { t: 'likelihood' }),
    likelihood,
  )
}

function classRow(name: string, probability: number | undefined, best: boolean): HTMLElement {
  const bar = el('span', { class: 'fill' })
  bar.style.width = `${100 * (probability ?? 0)}%`
  const text = probability === undefined ? '–' : `${fixed(100 * probability, 1)} %`
  return el(
    'div',
    { class: best ? 'class best' : 'class', attributes: { 'data-class': name } },
    el('span', { class: 'name' }, name),
    el('span', { class: 'track' }, bar),
    el('span', { class: 'amount' }, text),
  )
}

/** A choice, and beside it a button for what is not among the choices. */
function withOpener(
  choice: HTMLElement,
  label: 'ownScan' | 'ownNetwork',
  title: 'ownScanHint' | 'ownNetworkHint',
  pick: () => void,
): HTMLElement {
  const attributes = { type: 'button', 'data-do': label }
  return el(
    'div',
    { class: 'opener' },
    choice,
    el('button', { t: 'open', label, title, attributes, on: { click: pick } }),
  )
}

/** Fields for what the network asks about a person. */
function covariateForm(store: PageStore, session: Session): HTMLElement {
  const form = el('fieldset', { class: 'covariates' })
  form.hidden = true
  store.watch(
    (state) => [state.facts, state.subject, state.subjects, state.language],
    (facts, subject, subjects) => {
      const asked = facts?.covariates ?? []
      form.hidden = asked.length === 0
      const person = subjects.find(({ id }) => id === subject)
      if (!person || form.hidden || form.contains(document.activeElement)) return
      const { covariates, own } = person
      const change = (name: string, value: number | undefined) => {
        const now = store.get().subjects.find(({ id }) => id === subject)!
        session.setCovariates({ ...now.covariates, [name]: value })
      }
      form.replaceChildren(
        el('legend', { t: 'covariates' }),
        ...asked.map((one) => covariateField(one, covariates[one.name], own, change)),
        ...(own ? [] : [el('p', { class: 'quiet', t: 'covariatesFixed' })]),
      )
    },
  )
  return form
}

function covariateField(
  { name, unit, mean }: ResidualCovariate,
  value: number | undefined,
  own: boolean,
  change: (name: string, value: number | undefined) => void,
): HTMLElement {
  const input = el('input', {
    attributes: { type: 'number', step: 'any', value, disabled: !own, name: `covariate-${name}` },
    on: { change: () => change(name, input.value === '' ? undefined : input.valueAsNumber) },
  })
  const hint = el('span', { class: 'quiet', t: 'covariateMean', values: { mean: number(mean, 3) } })
  const label = el('span', {}, unit ? `${name} (${unit})` : name)
  return el('label', { class: 'covariate' }, label, input, hint)
}
