/** The options of voxplain bids. */
import { type Command, Option } from 'commander'
import { InputError } from '../io/errors.ts'
import type { CohortCommandOptions } from './cohort-options.ts'
import { addExplainOptions, type ExplainCommandOptions } from './explain-options.ts'
import { addImportOptions } from './network.ts'
import { numberOption } from './options.ts'
import { type Shard, shardOption } from './shard.ts'

export type BidsLevel = 'participant' | 'group'

export interface BidsCommandOptions
  extends Omit<ExplainCommandOptions, keyof CohortCommandOptions | 'out'>,
    Pick<CohortCommandOptions, 'pattern' | 'modulated' | 'fwhm' | 'labelColumn'> {
  network?: string
  participantLabel?: string[]
  sessionLabel?: string[]
  shard?: Shard
  dryRun?: boolean
}

export function addBidsOptions(command: Command): void {
  command
    .option('--participant-label <labels...>', 'only these participants, with or without sub-')
    .option('--session-label <labels...>', 'only these sessions, with or without ses-')
    .option('--network <network>', 'what to explain; level participant needs one')
  addExplainOptions(command)
  addImportOptions(command)
    .option('--pattern <glob>', "which files of the data set are the scans: '*_label-GM_probseg.nii.gz'")
    .addOption(new Option('--modulated <state>', 'which maps of a CAPS folder (default: on)').choices(['on', 'off']))
    .addOption(
      new Option('--fwhm <mm>', 'smoothing of the maps of a CAPS folder (default: none)').argParser(numberOption(0)),
    )
    .option('--label-column <column>', 'column of groups for level group (default: diagnosis, label or group)')
    .addOption(
      new Option('--shard <i/n>', 'do the i-th of n parts of the work, from 1/n to n/n').argParser(shardOption),
    )
    .option('--dry-run', 'tell what would be made and why, and do nothing')
}

/** --participant_label as other BIDS apps have it, for all flags of voxplain bids: underscores become hyphens. */
export function bidsSpelling(argv: readonly string[]): readonly string[] {
  if (argv[0] !== 'bids') return argv
  return argv.map((word) =>
    word.startsWith('--') ? word.replace(/^--[^=]+/, (flag) => flag.replaceAll('_', '-')) : word,
  )
}

/** @throws InputError for options of explain that this command has no use for */
export function checkBids(level: BidsLevel, options: BidsCommandOptions): void {
  if (options.group)
    throw new InputError('--group is of voxplain explain; here the level "group" comes after the folders')
  if ((options.lambda1?.length ?? 0) > 1 || (options.lambda2?.length ?? 0) > 1) {
    throw new InputError('several lambdas: name them as methods, --method mask:lambda1=1,mask:lambda1=10')
  }
  if (level === 'participant' && options.network === undefined) {
    throw new InputError('level participant needs --network <network>, what to explain')
  }
  if (level === 'group' && options.shard)
    throw new InputError('--shard divides level participant; level group is one piece')
}
