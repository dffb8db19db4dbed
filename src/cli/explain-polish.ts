/** What becomes of a map before it is written: options of post-processing, and what they do. */
import { type Command, InvalidArgumentError, Option } from 'commander'
import { type PostprocessOptions, postprocess } from '../explain/postprocess/postprocess.ts'
import { InputError } from '../io/errors.ts'
import type { NiftiVolume } from '../io/nifti.ts'
import { integerOption, numberOption } from './options.ts'

export interface PolishOptions {
  positive?: boolean
  negative?: boolean
  normalise?: { how: 'none' | 'max' } | { how: 'percentile'; percentile: number }
  smooth?: number
  threshold?: number | { percentile: number }
  minCluster?: number
}

/** Adds them to a command, in the order in which they are done. */
export function addPolishOptions(command: Command): Command {
  return command
    .addOption(new Option('--smooth <mm>', 'smooth maps, full width at half maximum').argParser(numberOption(0)))
    .option('--positive', 'keep what speaks for the class only')
    .option('--negative', 'keep what speaks against it only, as magnitudes')
    .addOption(
      new Option(
        '--normalise <by>',
        'divide by the largest magnitude, a percentile of all, or nothing: max, p99.99, none',
      ).argParser((text) => {
        if (text === 'max' || text === 'none') return { how: text }
        return {
          how: 'percentile',
          percentile: percentile(text) ?? refuse('Give max, none or a percentile as in p99.99.'),
        }
      }),
    )
    .addOption(
      new Option('--threshold <value>', 'set smaller magnitudes to 0; p90: a percentile of those above 0').argParser(
        (text) => {
          const share = percentile(text)
          return share === undefined ? numberOption(0)(text) : { percentile: share }
        },
      ),
    )
    .addOption(
      new Option('--min-cluster <voxels>', 'set clusters of fewer voxels to 0 (26-connected)').argParser(
        integerOption(1),
      ),
    )
}

/** p99.99 as 99.99. */
function percentile(text: string): number | undefined {
  const [, digits] = /^p(\d+(?:\.\d+)?)$/i.exec(text) ?? []
  const value = Number(digits)
  return value <= 100 ? value : undefined
}

function refuse(message: string): never {
  throw new InvalidArgumentError(message)
}

/** What the options ask for; undefined where maps stay as they are. @throws InputError for both signs at once */
export function polishPlan(options: PolishOptions): PostprocessOptions | undefined {
  const { positive, negative, normalise, smooth, threshold, minCluster } = options
  if (positive && negative)
    throw new InputError('--positive and --negative exclude each other; both signs are the default')
  const plan: PostprocessOptions = {
    ...(smooth !== undefined && smooth > 0 && { smooth }),
    ...((positive || negative) && { part: positive ? ('positive' as const) : ('negative' as const) }),
    ...(normalise && normalise.how !== 'none' && { normalise: normalise.how }),
    ...(normalise?.how === 'percentile' && { percentile: normalise.percentile }),
    ...(threshold !== undefined && { threshold }),
    ...(minCluster !== undefined && { minCluster }),
  }
  return Object.keys(plan).length > 0 ? plan : undefined
}

/** Clusters that a record lists at most. */
const MOST_CLUSTERS = 50

/** A map as it is written, and what to say of it in its record. */
export function polish(map: NiftiVolume, plan: PostprocessOptions | undefined) {
  if (!plan) return { map, record: undefined }
  const done = postprocess(map, plan)
  const { clusters } = done.found
  const shown = plan.threshold !== undefined || plan.minCluster !== undefined
  return {
    map: { ...map, data: done.map.data },
    record: {
      steps: done.steps,
      scale: done.scale,
      threshold: done.threshold,
      ...(shown && { clusters: { count: clusters.length, largest: clusters.slice(0, MOST_CLUSTERS) } }),
    },
  }
}
