/** One view: NiiVue draws a scan, and a map over it, into the places that the page's own layout gives to planes. */
import { Niivue, NVImage, SLICE_TYPE } from '@niivue/niivue'
import { writeVolume } from '../../src/io/nifti.ts'
import type { Volume } from '../../src/io/volume.ts'
import { colourMaps, NEGATIVE, POSITIVE, SEQUENTIAL } from './colours.ts'
import { AXIS, type PlaneName } from './planes.ts'
import type { Point } from './state.ts'

const SLICE = { axial: SLICE_TYPE.AXIAL, coronal: SLICE_TYPE.CORONAL, sagittal: SLICE_TYPE.SAGITTAL } as const

/** How the map is coloured. */
export interface Paint {
  readonly threshold: number
  readonly max: number
  readonly opacity: number
  readonly signed: boolean
}

/** Where a plane's slice is drawn: canvas pixels (CSS) of a world position's two coordinates in the plane. */
export interface PlaneTransform {
  /** World axes along the picture's width and height. */
  readonly across: 0 | 1 | 2
  readonly up: 0 | 1 | 2
  /** pixel = scale * mm + shift. */
  readonly x: readonly [scale: number, shift: number]
  readonly y: readonly [scale: number, shift: number]
}

export interface View {
  /** Draws another scan; whoever draws a newer one meanwhile wins. */
  background(volume: Volume): Promise<void>
  /** Lays a map over it; undefined: none. */
  overlay(volume: Volume | undefined): Promise<void>
  /** New values for the map that is there. */
  values(data: Float32Array): void
  paint(paint: Paint): void
  place(mm: Point): void
  /** Asks for a drawing; who draws over the canvas is told when it is there. */
  draw(): void
  /** The planes' places have changed. @param tiles rectangles in CSS pixels of the canvas */
  layout(
    tiles: readonly { plane: PlaneName | 'render'; left: number; top: number; width: number; height: number }[],
  ): void
  radiological(on: boolean): void
  transform(plane: PlaneName): PlaneTransform | undefined
  /** World mm that the scan covers along x, y, z: lowest and highest slice. */
  extent(): readonly (readonly [number, number])[] | undefined
  readonly canvas: HTMLCanvasElement
}

/** All further arguments have defaults, which its types do not tell. */
const readImage = NVImage.new.bind(NVImage) as unknown as (
  file: ArrayBuffer,
  name: string,
  colours: string,
) => Promise<NVImage>

const CROSSHAIR_MM = 0.7
const CROSSHAIR = [0.35, 0.75, 0.95, 0.8]

/**
 * @param onPlace where the visitor put the crosshair
 * @param onDraw called after each drawing; only then does `transform` tell where slices are
 * @throws Error where there is no WebGL 2
 */
export async function createView(
  canvas: HTMLCanvasElement,
  onPlace: (mm: Point) => void,
  onDraw: () => void,
): Promise<View> {
  const nv = new Niivue({
    backColor: [0, 0, 0, 1],
    crosshairColor: CROSSHAIR,
    crosshairWidth: CROSSHAIR_MM,
    crosshairWidthUnit: 'mm',
    crosshairGap: 6,
    fontColor: [0.85, 0.87, 0.9, 1],
    fontMinPx: 12,
    fontSizeScaling: 0.35,
    isColorbar: false,
    isOrientCube: false,
    // The page says which side is which: in text that can be read at any size.
    isOrientationTextVisible: false,
    show3Dcrosshair: true,
    dragAndDropEnabled: false,
    isSliceMM: true,
    loadingText: '',
    logLevel: 'error',
    viewModeHotKey: '',
    clipPlaneHotKey: '',
    cycleClipPlaneHotKey: '',
    isAntiAlias: false,
    sliceType: SLICE_TYPE.MULTIPLANAR,
  })
  await nv.attachToCanvas(canvas, false)
  for (const [name, colours] of Object.entries(colourMaps)) nv.addColormap(name, colours)
  let turn = 0
  let back: NVImage | undefined
  let front: NVImage | undefined
  let grid: string | undefined
  let extent: (readonly [number, number])[] | undefined
  /** Of the narrowest plane, in CSS pixels. */
  let narrowest = 300
  let last: Paint = { threshold: 0, max: 1, opacity: 1, signed: false }

  nv.onLocationChange = (location) => {
    const [x, y, z] = (location as { mm: Iterable<number> }).mm
    onPlace([x!, y!, z!])
  }
  // Many changes at once, NiiVue's own wishes among them, are one drawing, in a task of its own: the page stays quick to answer.
  const drawScene = nv.drawScene.bind(nv)
  const turnToDraw = new MessageChannel()
  let [asked, stale] = [false, false]
  turnToDraw.port1.onmessage = () => {
    asked = false
    if (stale) refreshOverlay()
    drawScene()
    onDraw()
  }
  const draw = () => {
    if (asked) return
    asked = true
    turnToDraw.port2.postMessage(0)
  }
  nv.drawScene = draw
  // A volume as NiiVue reads one: the bytes of a file.
  const image = (volume: Volume, name: string) => readImage(writeVolume(volume).slice().buffer, `${name}.nii`, 'gray')

  function applyPaint({ threshold, max, opacity, signed }: Paint): void {
    if (!front) return
    // The setter without the underscore also sorts all values, tens of ms, for limits that are replaced below.
    front._colormap = signed ? POSITIVE : SEQUENTIAL
    front.colormapNegative = signed ? NEGATIVE : ''
    // Colours run from 0 to max; what is below cal_min is transparent.
    front.colormapType = 2
    front.cal_min = Math.min(Math.max(threshold, max * 1e-4), max * 0.9999)
    front.cal_max = max
    front.opacity = opacity
  }

  /** Colours the map again, and nothing else: a fraction of what updateGLVolume does. */
  function refreshOverlay(): void {
    stale = false
    if (!front || !back) return
    applyPaint(last)
    nv.refreshLayers(front, 1)
  }

  /** A line narrower than a pixel vanishes in places. */
  function widenCrosshair(): void {
    if (!extent) return
    const longest = Math.max(...extent.map(([low, high]) => high - low))
    nv.setCrosshairWidth(Math.max(CROSSHAIR_MM, (1.3 * longest) / narrowest))
  }

  return {
    canvas,
    draw,
    async background(volume) {
      const own = ++turn
      const made = await image(volume, 'scan')
      if (own !== turn) return
      made.cal_min = 0
      made.cal_max = highest(volume.data)
      if (front) nv.removeVolume(front)
      if (back) nv.removeVolume(back)
      front = undefined
      grid = undefined
      back = made
      nv.addVolume(made)
      extent = worldExtent(volume)
      widenCrosshair()
    },
    async overlay(volume) {
      const own = turn
      const key = volume && `${volume.shape} ${volume.affine}`
      if (front && volume && key === grid) {
        front.img = volume.data
        stale = true
        return draw()
      }
      const made = volume && (await image(volume, 'map'))
      if (own !== turn) return
      if (front) nv.removeVolume(front)
      front = made
      grid = key
      if (made) {
        applyPaint(last)
        nv.addVolume(made)
      }
      draw()
    },
    values(data) {
      if (!front || front.img === data) return
      front.img = data
      stale = true
      draw()
    },
    paint(paint) {
      last = paint
      stale = true
      draw()
    },
    place(mm) {
      if (!back) return
      nv.scene.crosshairPos = nv.mm2frac([...mm])
      draw()
    },
    layout(tiles) {
      const { width, height } = canvas.getBoundingClientRect()
      if (width < 2 || height < 2) return
      nv.customLayout = tiles
        .filter((tile) => tile.width > 8 && tile.height > 8)
        .map(({ plane, ...tile }) => ({
          sliceType: plane === 'render' ? SLICE_TYPE.RENDER : SLICE[plane],
          position: [tile.left / width, tile.top / height, tile.width / width, tile.height / height],
        }))
      const planes = tiles.filter(({ plane }) => plane !== 'render')
      narrowest = Math.max(1, Math.min(...planes.flatMap((tile) => [tile.width, tile.height])))
      widenCrosshair()
      nv.resizeListener()
    },
    radiological(on) {
      nv.opts.isRadiologicalConvention = on
      draw()
    },
    transform(plane) {
      const tile = nv.screenSlices.findIndex(({ axCorSag }) => axCorSag === SLICE[plane])
      if (!back || tile < 0) return undefined
      const [left, top, width, height] = nv.screenSlices[tile]!.leftTopWidthHeight as [number, number, number, number]
      // Two places of the slice, from the screen to the world: the rest lies on straight lines.
      const at = [0.25, 0.75].map((t) => {
        const pixel: [number, number] = [left + t * width, top + t * height]
        const frac = nv.screenXY2TextureFrac(pixel[0], pixel[1], tile, false)
        return { pixel, mm: frac[0]! < 0 ? undefined : nv.frac2mm(frac) }
      })
      const [a, b] = at as [(typeof at)[0], (typeof at)[0]]
      if (!a.mm || !b.mm) return undefined
      const axes = ([0, 1, 2] as const).filter((axis) => axis !== AXIS[plane])
      const [across, up] = axes as [0 | 1 | 2, 0 | 1 | 2]
      const dpr = nv.uiData.dpr ?? 1
      const line = (axis: 0 | 1 | 2, p: 0 | 1): [number, number] => {
        const scale = (b.pixel[p] - a.pixel[p]) / dpr / (b.mm![axis]! - a.mm![axis]!)
        return [scale, a.pixel[p] / dpr - scale * a.mm![axis]!]
      }
      const [x, y] = [line(across, 0), line(up, 1)]
      return [...x, ...y].every(Number.isFinite) ? { across, up, x, y } : undefined
    },
    extent: () => extent,
  }
}

/** What is white: nearly the highest value, so that a few bright voxels do not darken the rest. */
function highest(data: Float32Array): number {
  const step = Math.max(1, Math.floor(data.length / 50_000))
  const some: number[] = []
  for (let v = 0; v < data.length; v += step) if (data[v]! > 0 && Number.isFinite(data[v])) some.push(data[v]!)
  some.sort((a, b) => a - b)
  return some[Math.floor(0.995 * (some.length - 1))] ?? 1
}

/** Centres of the outermost slices along x, y, z. */
function worldExtent({ shape, affine }: Volume): (readonly [number, number])[] {
  return [0, 1, 2].map((r) => {
    const ends = [0, 1, 2].map((c) => affine[4 * r + c]! * (shape[c]! - 1))
    const low = ends.reduce((sum, n) => sum + Math.min(0, n), affine[4 * r + 3]!)
    return [low, low + ends.reduce((sum, n) => sum + Math.abs(n), 0)] as const
  })
}
