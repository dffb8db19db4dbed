/** What the page knows: one plain object. Everything on the page shows some of it. */
import { invertAffine } from '../../src/io/affine.ts'
import type { Volume } from '../../src/io/volume.ts'
import type { ScanCovariates } from '../../src/model/recipe/residual.ts'
import { createStore, type Store } from '../shared/store.ts'
import type { Analysis } from '../worker/analysis.ts'
import type { Fit } from '../worker/engine.ts'
import type { MethodFacts } from '../worker/method-facts.ts'
import type { NetworkFacts } from '../worker/network-facts.ts'
import type { Key, Language, Values } from './strings.ts'

/** Somebody whose scan can be shown. */
export interface Subject {
  readonly id: string
  readonly name: string
  /** Opened by the visitor: covariates can be edited. */
  readonly own: boolean
  readonly covariates: ScanCovariates
  /** The scan's file. */
  readonly bytes: () => Promise<Uint8Array>
}

/** A scan that has been read. */
export interface Scan {
  readonly subject: string
  readonly volume: Volume
  /** The same on a finer grid where the scan's is coarse, to be drawn. */
  readonly display: Volume
}

export interface NetworkChoice {
  readonly id: string
  readonly name: string
  readonly bytes: () => Promise<Uint8Array>
  readonly recipe?: unknown
}

/** A map of somebody's scan. */
export interface RelevanceMap {
  readonly id: string
  readonly name: string
  readonly subject: string
  readonly volume: Volume
  /** The same on a finer grid where it is coarse, to be drawn. */
  readonly display: Volume
  readonly signed: boolean
  /** Magnitude with the brightest colour when the scale is the map's own. */
  readonly max: number
  /** The file, of maps that were not made here. */
  readonly bytes?: Uint8Array
  /** Of maps made here: how, for the report. */
  readonly made?: {
    readonly method: string
    readonly network: string
    readonly className: string
    readonly facts: Readonly<Record<string, number>>
  }
}

export interface Message {
  readonly id: number
  readonly kind: 'error' | 'note'
  readonly key: Key
  readonly values?: Values
  /** What went wrong in the engine's own words, which are English. */
  readonly detail?: string
  readonly action?: { readonly key: Key; readonly values?: Values; readonly run: () => void }
}

export interface Job {
  readonly method: string
  readonly share: number
  readonly className: string
  /** Of a mask: its score after the steps seen so far. */
  readonly watched: readonly { readonly iteration: number; readonly iterations: number; readonly score: number }[]
}

export type Theme = 'auto' | 'light' | 'dark'
export type Point = readonly [number, number, number]

export interface State {
  readonly language: Language
  readonly theme: Theme
  readonly title: string
  readonly gpu: { readonly state: 'opening' | 'ready' | 'none'; readonly name: string }
  readonly methods: readonly MethodFacts[]
  readonly subjects: readonly Subject[]
  readonly networks: readonly NetworkChoice[]
  readonly subject: string
  readonly network: string
  /** Of the subject, once it is read. */
  readonly scan: Scan | undefined
  readonly facts: NetworkFacts | undefined
  readonly fit: Fit | undefined
  readonly prediction: readonly number[] | undefined
  readonly predicting: boolean
  readonly job: Job | undefined
  readonly maps: readonly RelevanceMap[]
  /** Ids of the maps of both views; empty: none. */
  readonly shown: readonly [string, string]
  readonly analyses: readonly [Analysis | undefined, Analysis | undefined]
  readonly compare: boolean
  /** Share of the colour scale below which nothing is shown. */
  readonly threshold: number
  readonly minVoxels: number
  readonly opacity: number
  readonly hidden: boolean
  readonly scale: 'own' | 'fixed'
  readonly fixedMax: number
  readonly radiological: boolean
  readonly outline: boolean
  readonly render: boolean
  /** World mm. */
  readonly crosshair: Point
  /** The atlas on the grid of the scan; undefined until that is known, null where it does not reach. */
  readonly regions: { readonly labels: Uint16Array; readonly names: readonly string[] } | undefined | null
  readonly messages: readonly Message[]
}

export type PageStore = Store<State>

export function createPageStore(): PageStore {
  return createStore<State>({
    language: 'en',
    theme: 'auto',
    title: '',
    gpu: { state: 'opening', name: '' },
    methods: [],
    subjects: [],
    networks: [],
    subject: '',
    network: '',
    scan: undefined,
    facts: undefined,
    fit: undefined,
    prediction: undefined,
    predicting: false,
    job: undefined,
    maps: [],
    shown: ['', ''],
    analyses: [undefined, undefined],
    compare: false,
    threshold: 0.25,
    minVoxels: 1,
    opacity: 0.85,
    hidden: false,
    scale: 'own',
    fixedMax: 1,
    radiological: false,
    outline: true,
    render: false,
    crosshair: [0, 0, 0],
    regions: undefined,
    messages: [],
  })
}

export function mapById({ maps }: State, id: string): RelevanceMap | undefined {
  return maps.find((map) => map.id === id)
}

/** What the engine is asked about: whose scan, which network, what is known of the person. */
export function pairOf({ get }: PageStore): { scan: string; network: string; covariates: ScanCovariates } {
  const { subject, network, subjects } = get()
  return { scan: subject, network, covariates: subjects.find(({ id }) => id === subject)?.covariates ?? {} }
}

/** Magnitude with the brightest colour. */
export function scaleMax(
  { scale, fixedMax }: Pick<State, 'scale' | 'fixedMax'>,
  map: RelevanceMap | undefined,
): number {
  return scale === 'fixed' ? fixedMax : (map?.max ?? 1)
}

/** Index in a volume's data of the voxel at a place; undefined outside. */
export const voxelAt = (grid: Pick<Volume, 'shape' | 'affine'>, mm: Point): number | undefined =>
  voxelFinder(grid)(...mm)

/** voxelAt for many places of one volume, in world mm. */
export function voxelFinder({
  shape,
  affine,
}: Pick<Volume, 'shape' | 'affine'>): (x: number, y: number, z: number) => number | undefined {
  const m = invertAffine(affine)
  // The rounding goes to the higher voxel, as in resampling.
  const along = (axis: number, x: number, y: number, z: number) =>
    Math.floor(m[4 * axis]! * x + m[4 * axis + 1]! * y + m[4 * axis + 2]! * z + m[4 * axis + 3]! + 0.5)
  return (x, y, z) => {
    const [i, j, k] = [along(0, x, y, z), along(1, x, y, z), along(2, x, y, z)]
    const inside = i >= 0 && j >= 0 && k >= 0 && i < shape[0] && j < shape[1] && k < shape[2]
    return inside ? i + shape[0] * (j + shape[1] * k) : undefined
  }
}
