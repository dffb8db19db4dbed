/** The engine in a Web Worker: networks, predictions, explanations. The page never waits for any of it. */
import { release } from '../../src/engine/gpu.ts'
import { makePredictor, type Prediction, type Predictor } from '../../src/explain/predict.ts'
import { type Atlas, makeAtlas } from '../../src/io/atlas/atlas.ts'
import { parseRegionNames } from '../../src/io/atlas/region-names.ts'
import { InputError } from '../../src/io/errors.ts'
import { type NiftiVolume, readVolume, writeVolume } from '../../src/io/nifti.ts'
import { resample, sameGrid } from '../../src/io/resample.ts'
import { networkParameters } from '../../src/model/build.ts'
import type { Network } from '../../src/model/description.ts'
import { loadNetwork } from '../../src/model/formats/format.ts'
import { readRecipe } from '../../src/model/recipe/recipe.ts'
import { prepareInput } from '../../src/model/recipe/recipe-input.ts'
import type { ScanCovariates } from '../../src/model/recipe/residual.ts'
import { type CallContext, serve } from '../shared/rpc.ts'
import { type ExplainProgress, type ExplainRequest, explainOne } from './explain.ts'
import { holdGpu } from './gpu.ts'
import { type MethodFacts, methodFacts } from './method-facts.ts'
import { type NetworkFacts, networkFacts } from './network-facts.ts'

/** How a scan stands to a network. */
export interface Fit {
  /** Why it cannot be used as it is; undefined where it can. */
  readonly refusal?: string
  /** The grid that the network wants is known, and the scan overlaps it: it can be brought there. */
  readonly resampling: boolean
}

export interface ExportedMap {
  readonly bytes: Uint8Array
}

const networks = new Map<string, Network>()
const scans = new Map<string, NiftiVolume>()
const maps = new Map<string, { volume: NiftiVolume; description: string }>()
const predictors = new Map<string, Promise<Predictor>>()
let atlas: Atlas | undefined

const calls = {
  async open() {
    const { name, software } = await gpu.get()
    return { name, software }
  },

  methods: (): MethodFacts[] => methodFacts(),

  atlas({ volume, names }: { volume: Uint8Array; names: string }): void {
    atlas = makeAtlas(readVolume(volume), parseRegionNames(names))
  },

  /** Loads a network under an id; one of the same id is forgotten. */
  async network({ id, name, bytes, recipe }: NetworkFile): Promise<NetworkFacts> {
    const read = recipe === undefined ? undefined : readRecipe(recipe)
    const network = loadNetwork(bytes, { name, recipe: read })
    await forget(id)
    networks.set(id, network)
    return networkFacts(network)
  },

  scan({ id, name, bytes }: { id: string; name: string; bytes: Uint8Array }): void {
    scans.set(id, readVolume(bytes, { name }))
  },

  fit({ network, scan, covariates }: Pair): Fit {
    try {
      prepareInput(networkOf(network), scanOf(scan), covariates)
      return { resampling: false }
    } catch (error) {
      if (!(error instanceof InputError)) throw error
      return { refusal: error.message, resampling: canResample(networkOf(network), scanOf(scan)) }
    }
  },

  /** Brings a scan to the grid of a network's recipe, under a new id. @returns its file */
  resample({ network, scan, id }: Pick<Pair, 'network' | 'scan'> & { id: string }): Uint8Array {
    const { grid } = networkOf(network).description.recipe
    if (!grid?.affine) throw new InputError('the network does not say where its grid lies')
    const { nifti } = scanOf(scan)
    const moved = { ...resample(scanOf(scan), { shape: grid.shape, affine: grid.affine }, 'linear'), nifti }
    scans.set(id, moved)
    return writeVolume(moved)
  },

  async predict({ network, scan, covariates }: Pair): Promise<Prediction> {
    return gpu.use(async (device) => {
      let predictor = predictors.get(network)
      if (!predictor) {
        predictor = makePredictor(device, networkOf(network))
        predictors.set(network, predictor)
        predictor.catch(() => predictors.delete(network))
      }
      return (await predictor).predict(scanOf(scan), covariates)
    })
  },

  /** Makes a map and keeps it under an id, to be exported. */
  async explain(
    { network, scan, id, ...request }: Pair & ExplainRequest & { id: string },
    { signal, progress }: CallContext,
  ) {
    const onProgress = (value: ExplainProgress) => progress(value)
    const source = networkOf(network)
    const made = await gpu.use((device) =>
      explainOne(device, source, scanOf(scan), atlas, request, { signal, onProgress }),
    )
    const { map, choice, ...facts } = made
    const className = source.description.recipe.classes[facts.target]!
    maps.set(id, { volume: map, description: `voxplain ${choice.method.name} ${className}` })
    return { ...facts, data: map.data.slice(), signed: choice.method.signed, title: choice.method.title }
  },

  /** A map as the command line writes it. */
  exportMap({ id }: { id: string }): ExportedMap {
    const made = maps.get(id)
    if (!made) throw new InputError('this map was not made here: it is the file it was read from')
    return { bytes: writeVolume(made.volume, { description: made.description, gzip: true }) }
  },

  /** As if the driver had reset the GPU: what tests of the page's recovery need. */
  async loseDevice(): Promise<void> {
    const device = (await gpu.get()).device
    device.destroy()
    await device.lost
  },
}

export type EngineCalls = typeof calls

const tell = serve(calls)

const gpu = holdGpu(() => {
  predictors.clear()
  tell({ type: 'gpu-lost' })
})

interface NetworkFile {
  readonly id: string
  readonly name: string
  readonly bytes: Uint8Array
  readonly recipe?: unknown
}

interface Pair {
  readonly network: string
  readonly scan: string
  readonly covariates: ScanCovariates
}

function networkOf(id: string): Network {
  const network = networks.get(id)
  if (!network) throw new InputError(`there is no network ${id}`)
  return network
}

function scanOf(id: string): NiftiVolume {
  const scan = scans.get(id)
  if (!scan) throw new InputError(`there is no scan ${id}`)
  return scan
}

function canResample({ description }: Network, scan: NiftiVolume): boolean {
  const { grid } = description.recipe
  if (!grid?.affine) return false
  const target = { shape: grid.shape, affine: grid.affine }
  if (sameGrid(target, scan)) return false
  const inside = resample({ ...scan, data: new Float32Array(scan.data.length).fill(1) }, target, 'nearest').data
  return inside.some((value) => value > 0)
}

async function forget(id: string): Promise<void> {
  const [network, predictor] = [networks.get(id), predictors.get(id)]
  predictors.delete(id)
  ;(await predictor?.catch(() => undefined))?.destroy()
  if (network) release(await gpu.get(), networkParameters(network).values())
}
