/** A view with all that belongs to it: planes and their sliders, outline, region bars or 3D; kept up to date with the state. */
import { type Volume, voxelSize } from '../../src/io/volume.ts'
import { el, setText, setTitle, svg } from './dom.ts'
import { outlinePath } from './outline.ts'
import { AXIS, PLANES, type PlaneName } from './planes.ts'
import { regionChart } from './region-chart.ts'
import type { Session } from './session.ts'
import { sliceStrip } from './slice-strip.ts'
import { mapById, type PageStore, type Point, type RelevanceMap, type Scan, scaleMax, voxelAt } from './state.ts'
import type { View } from './view.ts'

export interface Pane {
  readonly element: HTMLElement
  readonly view: View
}

/** @param index which of the two views. @throws Error where there is no WebGL 2 */
export async function createPane(store: PageStore, session: Session, index: 0 | 1): Promise<Pane> {
  const moveTo = (mm: Point) => store.set({ crosshair: mm })
  const strips = PLANES.map((plane) =>
    sliceStrip(plane, (mm) => {
      const next = [...store.get().crosshair] as [number, number, number]
      next[AXIS[plane]] = mm
      moveTo(next)
    }),
  )
  const outlines = PLANES.map(() => svg('path', { class: 'outline', fill: 'none' }))
  const sides = PLANES.map(() => [el('span', { class: 'side' }), el('span', { class: 'side' })] as const)
  const tiles = PLANES.map((plane, k) =>
    el('div', { class: 'tile', attributes: { 'data-plane': plane } }, overlaySvg(outlines[k]!), ...sides[k]!),
  )
  const chart = regionChart(moveTo)
  const renderTile = el('div', { class: 'tile render-tile' })
  const fourth = el('div', { class: 'plane fourth' }, chart.element, renderTile)
  const planes = el(
    'div',
    { class: 'planes' },
    ...PLANES.map((_, k) => el('div', { class: 'plane' }, tiles[k]!, strips[k]!.element)),
    fourth,
  )
  const canvas = el('canvas', { label: 'canvas', attributes: { tabindex: -1 } })
  const canvasBox = el('div', { class: 'canvas-box' }, canvas)
  const element = el('div', { class: 'pane' }, canvasBox, planes)
  // NiiVue measures the canvas when it attaches, so it has to be in the page by then.
  document.querySelector('.panes')!.append(element)
  // NiiVue is two thirds of the page: all else starts while it is on its way.
  const { createView } = await import('./view.ts')
  const view = await createView(canvas, moveTo, () => drawOutlines())

  let scan: Scan | undefined
  let wanted = ''

  function layOut(): void {
    const frame = canvasBox.getBoundingClientRect()
    const rectangle = (tile: HTMLElement) => {
      const { left, top, width, height } = tile.getBoundingClientRect()
      return { left: left - frame.left, top: top - frame.top, width, height }
    }
    view.layout([
      ...PLANES.map((plane, k) => ({ plane, ...rectangle(tiles[k]!) })),
      ...(store.get().render ? [{ plane: 'render' as const, ...rectangle(renderTile) }] : []),
    ])
  }
  new ResizeObserver(layOut).observe(planes)

  let drawn = ''
  function drawOutlines(): void {
    const { outline, crosshair, regions, radiological } = store.get()
    const here = scan && regions && outline ? voxelAt(scan.volume, crosshair) : undefined
    const label = here === undefined ? 0 : regions!.labels[here]!
    const size = `${canvas.width} ${canvas.height} ${radiological}`
    const key = label === 0 ? '' : `${scan!.subject} ${label} ${crosshair} ${size} ${tiles[0]!.clientWidth}`
    if (key === drawn) return
    const done = PLANES.map((plane, k) => placeOutline(plane, outlines[k]!, tiles[k]!, label))
    // Where the view has not drawn the slices yet, the next drawing brings the outline.
    drawn = done.every(Boolean) ? key : ''
  }

  function placeOutline(plane: PlaneName, path: SVGPathElement, tile: HTMLElement, label: number): boolean {
    const place = label > 0 ? view.transform(plane) : undefined
    if (!place || !scan) {
      path.setAttribute('d', '')
      return label === 0
    }
    const { regions, crosshair } = store.get()
    const grid = scan.volume
    const step = Math.min(...voxelSize(grid.affine))
    const range = view.extent()!
    const inside = (voxel: number) => regions!.labels[voxel] === label
    path.setAttribute('d', outlinePath(grid, inside, crosshair, [place.across, place.up], range, step))
    const [frame, box] = [canvasBox.getBoundingClientRect(), tile.getBoundingClientRect()]
    const shift = [place.x[1] - (box.left - frame.left), place.y[1] - (box.top - frame.top)]
    path.setAttribute('transform', `matrix(${place.x[0]} 0 0 ${place.y[0]} ${shift[0]} ${shift[1]})`)
    return true
  }

  async function showScan(next: Scan): Promise<void> {
    scan = next
    await view.background(next.display)
    view.extent()!.forEach((range, axis) => {
      strips[PLANES.findIndex((plane) => AXIS[plane] === axis)]!.extent(range)
    })
    await showMap()
    placeAll()
  }

  async function showMap(): Promise<void> {
    const state = store.get()
    const map = mapById(state, state.shown[index])
    const fits = map && scan?.subject === map.subject
    await view.overlay(fits ? drawnOf(map) : undefined)
    paint()
  }

  /** The map's values that survive threshold and cluster size, once they are known. */
  const drawnOf = ({ display }: RelevanceMap): Volume => {
    const drawn = store.get().analyses[index]?.drawn
    return drawn ? { ...display, data: drawn } : display
  }

  function paint(): void {
    const state = store.get()
    const map = mapById(state, state.shown[index])
    if (!map) return
    const max = scaleMax(state, map)
    const opacity = state.hidden ? 0 : state.opacity
    view.paint({ threshold: state.threshold * max, max, opacity, signed: map.signed })
  }

  function placeAll(): void {
    const { crosshair } = store.get()
    for (const [k, plane] of PLANES.entries()) strips[k]!.place(crosshair[AXIS[plane]])
    view.place(crosshair)
  }

  /** Whose scan the view shows: of the map that is chosen, or else of the subject. */
  store.watch(
    (state) => [mapById(state, state.shown[index])?.subject ?? state.subject, state.scan],
    async (subject, current) => {
      if (!subject || (index === 0 && current?.subject !== subject && subject === store.get().subject)) return
      wanted = subject
      const next = current?.subject === subject ? current : await session.scanOf(subject).catch(() => undefined)
      if (next && wanted === subject && scan !== next) await showScan(next)
    },
  )
  store.watch(
    (state) => [mapById(state, state.shown[index])],
    () => void showMap(),
  )
  store.watch(
    (state) => [state.threshold, state.opacity, state.hidden, state.scale, state.fixedMax],
    () => paint(),
  )
  store.watch(
    (state) => [state.analyses[index]],
    (analysis) => {
      const state = store.get()
      const map = mapById(state, state.shown[index])
      if (map && analysis && scan?.subject === map.subject) view.values(drawnOf(map).data)
      for (const [k, plane] of PLANES.entries()) strips[k]!.sums(analysis?.sums[AXIS[plane]])
    },
  )
  store.watch(
    (state) => [state.analyses[index], state.regions, state.language],
    (analysis, regions) =>
      chart.show(analysis?.regions ?? [], analysis && regions !== undefined ? regions !== null : undefined),
  )
  store.watch(({ crosshair }) => [crosshair], placeAll)
  store.watch(
    ({ radiological }) => [radiological],
    (radiological) => {
      PLANES.forEach((plane, k) => {
        const ends: readonly ('left' | 'right' | 'back' | 'front')[] =
          plane === 'sagittal' ? ['back', 'front'] : ['left', 'right']
        const turned = radiological && plane !== 'sagittal'
        sides[k]!.forEach((side, end) => {
          const name = ends[turned ? 1 - end : end]!
          setText(side, `${name}Mark`)
          setTitle(side, name)
        })
      })
      view.radiological(radiological)
    },
  )
  store.watch(
    ({ render }) => [render],
    (render) => {
      fourth.classList.toggle('rendered', render)
      layOut()
    },
  )
  store.watch(
    ({ outline, regions, crosshair }) => [outline, regions, crosshair],
    () => {
      view.draw()
      const { regions } = store.get()
      const here = scan && regions ? voxelAt(scan.volume, store.get().crosshair) : undefined
      chart.mark(here === undefined ? undefined : regions!.names[regions!.labels[here]! - 1])
    },
  )
  return { element, view }
}

function overlaySvg(path: SVGPathElement): SVGSVGElement {
  const casing = svg('svg', { class: 'outlines', 'aria-hidden': 'true' }, path)
  return casing
}
