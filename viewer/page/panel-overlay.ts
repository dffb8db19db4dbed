/** What of the map is shown, and how: threshold, clusters, colours; and how the views look. */
import { voxelSize } from '../../src/io/volume.ts'
import { gradient } from './colours.ts'
import { check, el, field, setOptions } from './dom.ts'
import { clusterHistogram } from './histogram.ts'
import type { Session } from './session.ts'
import { mapById, type PageStore, type RelevanceMap, type State, scaleMax } from './state.ts'
import { number, say } from './strings.ts'

/** Largest value of the cluster slider; its steps grow, because sizes do. */
const CLUSTER_STEPS = [1, 2, 3, 5, 8, 12, 20, 30, 50, 80, 120, 200, 300, 500, 800, 1200, 2000, 5000]

export function overlayPanel(store: PageStore, session: Session): HTMLElement {
  const map = el('select', { on: { change: () => void session.showMap(0, map.value) } })
  const other = el('select', { on: { change: () => void session.showMap(1, other.value) } })
  const otherField = field('mapB', other)
  store.watch(
    (state) => [state.maps, state.shown, state.subject, state.subjects, state.language, state.compare],
    (maps, shown, subject, _subjects, _language, compare) => {
      const state = store.get()
      const none = { value: '', text: say('noMap') }
      const own = maps.filter((one) => one.subject === subject || one.id === shown[0])
      setOptions(map, [none, ...own.map((one) => ({ value: one.id, text: nameOf(state, one, subject) }))], shown[0])
      setOptions(other, [none, ...maps.map((one) => ({ value: one.id, text: nameOf(state, one, '') }))], shown[1])
      otherField.hidden = !compare
    },
  )

  const threshold = slider({ min: 0, max: 0.95, step: 0.01 }, (value) => store.set({ threshold: value }))
  const cluster = slider({ min: 0, max: CLUSTER_STEPS.length - 1, step: 1 }, (value) =>
    store.set({ minVoxels: CLUSTER_STEPS[value]! }),
  )
  const opacity = slider({ min: 0, max: 1, step: 0.05 }, (value) => store.set({ opacity: value }))
  store.watch(
    (state) => [state.threshold, state.scale, state.fixedMax, mapById(state, state.shown[0]), state.language],
    (share, _scale, _max, shown) => {
      threshold.set(
        share,
        say('thresholdValue', { value: share * scaleMax(store.get(), shown), percent: Math.round(100 * share) }),
      )
    },
  )
  store.watch(
    (state) => [state.minVoxels, state.scan, state.language],
    (voxels, scan) => {
      const mm3 = scan ? voxels * voxelSize(scan.volume.affine).reduce((a, b) => a * b, 1) : 0
      const text = voxels > 1 ? say('minClusterValue', { voxels, mm3: Math.round(mm3) }) : say('minClusterAll')
      cluster.set(CLUSTER_STEPS.indexOf(voxels), text)
    },
  )
  store.watch(
    (state) => [state.opacity, state.language],
    (value) => opacity.set(value, `${Math.round(100 * value)} %`),
  )
  const hide = check('hide', (hidden) => store.set({ hidden }))
  store.watch(
    ({ hidden }) => [hidden],
    (hidden) => {
      hide.box.checked = hidden
    },
  )
  return el(
    'section',
    { class: 'panel', label: 'overlay' },
    el('h2', { t: 'overlay' }),
    field('map', map),
    otherField,
    colourScale(store),
    field('threshold', threshold.input, threshold.output),
    field('minCluster', cluster.input, cluster.output),
    clusterHistogram(store),
    field('opacity', opacity.input, opacity.output),
    hide.row,
  )
}

function nameOf({ subjects, subject }: State, map: RelevanceMap, own: string): string {
  if (map.subject === own && own === subject) return map.name
  return `${map.name} · ${subjects.find(({ id }) => id === map.subject)?.name ?? map.subject}`
}

function slider(range: { min: number; max: number; step: number }, onInput: (value: number) => void) {
  const input = el('input', {
    attributes: { type: 'range', ...range },
    on: { input: () => onInput(input.valueAsNumber) },
  })
  const output = el('output', { class: 'reading' })
  return {
    input,
    output,
    set(value: number, text: string) {
      input.value = String(value)
      input.setAttribute('aria-valuetext', text)
      output.textContent = text
    },
  }
}

/** The colour bar with its numbers; the map's own range, or one that stays. */
function colourScale(store: PageStore): HTMLElement {
  const bar = el('div', { class: 'colour-bar', attributes: { 'aria-hidden': 'true' } })
  const cut = el('div', { class: 'cut' })
  const [low, middle, high] = [el('span'), el('span'), el('span')]
  const select = el('select', {
    on: { change: () => store.set({ scale: select.value as State['scale'], fixedMax: fixedOr(store.get()) }) },
  })
  const max = el('input', {
    attributes: { type: 'number', step: 'any', min: 0 },
    on: {
      change: () => {
        if (max.valueAsNumber > 0) store.set({ fixedMax: max.valueAsNumber })
      },
    },
  })
  const maxField = field('scaleMax', max)
  const fixedOr = (state: State) => scaleMax({ ...state, scale: 'own' }, mapById(state, state.shown[0]))
  store.watch(
    (state) => [state.scale, state.fixedMax, mapById(state, state.shown[0]), state.threshold, state.language],
    (scale, fixedMax, map, threshold) => {
      const state = store.get()
      setOptions(
        select,
        [
          { value: 'own', text: say('scaleOwn') },
          { value: 'fixed', text: say('scaleFixed') },
        ],
        scale,
      )
      maxField.hidden = scale === 'own'
      max.value = String(Number(fixedMax.toPrecision(4)))
      const top = scaleMax(state, map)
      const signed = map?.signed ?? false
      bar.style.backgroundImage = gradient(signed)
      cut.style.left = signed ? `${50 - 50 * threshold}%` : '0'
      cut.style.width = signed ? `${100 * threshold}%` : `${100 * threshold}%`
      low.textContent = signed ? number(-top, 3) : '0'
      middle.textContent = signed ? '0' : ''
      high.textContent = number(top, 3)
    },
  )
  bar.append(cut)
  return el(
    'div',
    { class: 'colour-scale' },
    bar,
    el('div', { class: 'colour-numbers' }, low, middle, high),
    el('div', { class: 'row' }, field('scale', select), maxField),
  )
}

export function viewPanel(store: PageStore, session: Session): HTMLElement {
  const flip = check('radiological', (radiological) => store.set({ radiological }))
  const outline = check('outline', (checked) => store.set({ outline: checked }))
  const render = check('render', (checked) => store.set({ render: checked }))
  const compare = check('compare', (checked) => {
    const { maps, shown, subject } = store.get()
    store.set({ compare: checked })
    const other = maps.find(({ id, subject: whose }) => id !== shown[0] && whose === subject) ?? maps[0]
    if (checked && !shown[1] && other) void session.showMap(1, other.id)
  })
  store.watch(
    (state) => [state.radiological, state.outline, state.render, state.compare],
    (...values) => {
      ;[flip, outline, render, compare].forEach(({ box }, k) => {
        box.checked = values[k]!
      })
    },
  )
  return el(
    'section',
    { class: 'panel', label: 'view' },
    el('h2', { t: 'view' }),
    compare.row,
    render.row,
    outline.row,
    flip.row,
  )
}
