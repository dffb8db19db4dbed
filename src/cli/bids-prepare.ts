/** From the words of a command to what is to be made, the same for level participant, --dry-run and voxplain status. */
import { isAbsolute, resolve } from 'node:path'
import { atlasOcclusion } from '../explain/perturb/atlas-occlusion.ts'
import { InputError } from '../io/errors.ts'
import type { BidsCommandOptions } from './bids-options.ts'
import { type BidsScan, type BidsScans, listBids } from './bids-scans.ts'
import { bidsMapName, type MapPlan, type MapState, statesOf } from './bids-task.ts'
import { planMethods } from './explain.ts'
import { openAtlas } from './explain-atlas.ts'
import { networkDigest } from './explain-keep.ts'
import { checkTogether, type ExplainCommandOptions, openMethods } from './explain-options.ts'
import { polishPlan } from './explain-polish.ts'
import type { Task } from './explain-task.ts'
import { versions } from './gpu.ts'
import { classIndex, importOptions, type LoadedNetwork, openNetwork } from './network.ts'
import { readerOf } from './scans.ts'
import { shardOf } from './shard.ts'

export interface BidsRequest {
  /** The data set and the output, absolute. */
  readonly root: string
  readonly out: string
  readonly options: BidsCommandOptions
}

export interface Prepared {
  readonly loaded: LoadedNetwork
  readonly sha256: string
  readonly plan: MapPlan
  readonly polish: Task['polish']
  readonly atlas: Task['atlas']
  readonly listed: BidsScans
  /** Of those the ones of --shard. */
  readonly scans: readonly BidsScan[]
}

/** Options whose value is a path. */
const PATHS = ['network', 'recipe', 'reference', 'atlas', 'atlasNames', 'layers'] as const

/** The options with all paths absolute, so that they mean the same wherever they are read again. */
export function absoluteOptions(options: BidsCommandOptions): BidsCommandOptions {
  const paths = PATHS.flatMap((name) => {
    const path = options[name]
    // A recipe may also be a name.
    return path === undefined || (name === 'recipe' && !/\.json$/i.test(path)) ? [] : [[name, resolve(path)]]
  })
  const method = /^[^,:=]+\.json$/i.test(options.method)
    ? resolve(options.method)
    : options.method.replace(/([:=]@)([^,:]+)/g, (_, sign, path) => sign + (isAbsolute(path) ? path : resolve(path)))
  return { ...options, ...Object.fromEntries(paths), method }
}

/** Opens the network, lists the scans, and says which maps there are to be. Reads no scan and needs no GPU. */
export async function prepareBids({ root, out, options }: BidsRequest): Promise<Prepared> {
  const { network: path, recipe, precision, seed = 0 } = options
  const loaded = await openNetwork(path!, recipe, await importOptions(options))
  const { network } = loaded
  const explain = { ...options, out } as ExplainCommandOptions
  const choices = await openMethods(explain, loaded)
  // The atlas of level group may stand in the command of both levels.
  const regional = choices.some(({ method }) => method === atlasOcclusion)
  checkTogether(choices, { ...explain, ...(!regional && { atlas: undefined }) })
  const targets = options.target?.map((name) => classIndex(network, name)) ?? [undefined]
  if (new Set(targets).size < targets.length) throw new InputError('--target names a class twice')
  const listed = await listBids(root, options, network)
  const methods = await planMethods(choices, loaded, listed.scans.length, explain)
  const polish = polishPlan(options)
  const atlas = regional ? await openAtlas(options.atlas!, options.atlasNames) : undefined
  const sha256 = networkDigest(network)
  const facts = { voxplain: versions().voxplain, network: sha256, precision, seed, polish, atlas }
  const plan: MapPlan = { methods, targets, facts, out, nameOf: bidsMapName, about: { loaded } }
  refuseTwins(plan)
  const scans = options.shard ? shardOf(listed.scans, ({ id }) => id, options.shard) : listed.scans
  return { loaded, sha256, plan, polish, atlas, listed, scans }
}

/** Classes whose names differ by signs alone would have maps of one name. */
function refuseTwins({ methods, targets, about }: MapPlan): void {
  const { classes } = about.loaded.network.description.recipe
  const several = targets.length > 1
  const names = methods.flatMap(({ choice, variants }) =>
    targets.flatMap((target) =>
      variants.map((variant) => bidsMapName('', { choice, variant }, several ? classes[target!] : undefined)),
    ),
  )
  const twin = names.find((name, n) => names.indexOf(name) < n)
  if (twin)
    throw new InputError(`two maps would be called *${twin}: classes need names that differ in letters and digits`)
}

export type ScanStates = { readonly scan: BidsScan } & (
  | { readonly maps: readonly MapState[] }
  | { readonly error: string }
)

/** How it stands with every map of the scans; each scan is read once. */
export async function bidsStates({ plan, scans }: Prepared): Promise<ScanStates[]> {
  const states: ScanStates[] = []
  const digests: string[] = []
  const read = readerOf(
    scans.map(({ path }) => path),
    async (index, digest) => {
      digests[index] = digest
      return false
    },
  )
  for (const [index, scan] of scans.entries()) {
    try {
      await read(index)
      states.push({ scan, maps: await statesOf(plan, scan, digests[index]!) })
    } catch (error) {
      if (!(error instanceof InputError)) throw error
      states.push({ scan, error: error.message })
    }
  }
  return states
}
