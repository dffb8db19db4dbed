/** The options of voxplain study robustness. */
import { type Command, Option } from 'commander'
import type { Precision } from '../engine/precision.ts'
import { addCohortOptions, type CohortCommandOptions } from './cohort-options.ts'
import { bytesOption, integerOption, numberOption, seedOption } from './options.ts'
import {
  type AtlasOptions,
  addAtlasOptions,
  addMaskOptions,
  gridOption,
  type LambdaGrid,
  type MaskFlags,
} from './study-options.ts'

export interface RobustnessOptions extends CohortCommandOptions, AtlasOptions, MaskFlags {
  out: string
  networks: string
  grid: LambdaGrid
  below: number
  patients: 'validation' | 'test' | 'all'
  target?: string
  limit?: number
  weight: 'voxels' | 'tissue'
  top: number
  starts: number
  start: number
  truth?: string
  permutations: number
  seed: number
  batch?: number
  precision: Precision
  memoryLimit?: number
  dryRun?: boolean
  json?: boolean
}

/** Adds them to the command, whose argument is the cohort. */
export function addRobustnessOptions(command: Command): void {
  command
    .requiredOption('--networks <folder>', 'folder of voxplain cv, two folds and two runs or more')
    .requiredOption('--out <folder>', 'where to write; made if it is missing. What is done there is kept')
  addAtlasOptions(command)
  command
    .addOption(gridOption())
    .addOption(
      new Option('--below <probability>', 'a mask does what it is for when masked patients are below this on average')
        .default(0.5)
        .argParser(numberOption(0, 1)),
    )
    .addOption(
      new Option('--patients <set>', "of a fold's networks: those that they were tested on, or all of the table")
        .choices(['validation', 'test', 'all'])
        .default('validation'),
    )
    .option('--target <class>', 'the patients (default: the last class)')
    .option('--limit <scans>', 'patients of a fold at most', integerOption(1))
    .addOption(
      new Option('--weight <by>', 'regions are means over voxels, or weighted by grey matter')
        .choices(['voxels', 'tissue'])
        .default('voxels'),
    )
    .addOption(
      new Option('--top <regions>', 'that are counted over folds').default(10).argParser(integerOption(1, 1000)),
    )
    .addOption(
      new Option('--starts <count>', 'masks from other random starts').default(4).argParser(integerOption(0, 100)),
    )
    .addOption(
      new Option('--start <share>', 'how far: they begin between 1 less this and 1')
        .default(0.5)
        .argParser(numberOption(0, 1)),
    )
    .option('--truth <column>', 'of true maps, to compare regions with (default: atrophy_path of phantoms)')
    .addOption(
      new Option('--permutations <count>', 'for the agreement by chance')
        .default(2000)
        .argParser(integerOption(0, 1e6)),
    )
    .addOption(new Option('--seed <seed>', 'of all random numbers').default(0).argParser(seedOption))
    .option('--dry-run', 'list the work, its GPU memory and an estimated time')
    .option('--batch <scans>', 'scans that the GPU works on at a time', integerOption(1, 1024))
    .addOption(new Option('--precision <type>', 'of stored intermediate values').choices(['f32', 'f16']).default('f32'))
    .option('--memory-limit <bytes>', 'refuse to use more GPU memory, e.g. 800MB', bytesOption)
    .option('--json', 'one JSON document on stdout')
  addMaskOptions(command)
  addCohortOptions(command)
}
