/** Options that studies share: the atlas, the folder, how masks are made. */
import { type Command, InvalidArgumentError, Option } from 'commander'
import { maskDefaults } from '../explain/mask.ts'
import type { Atlas } from '../io/atlas/atlas.ts'
import { mergeSides } from '../io/atlas/sides.ts'
import { openAtlas } from './explain-atlas.ts'
import { type MaskFlags, maskOptions } from './explain-options.ts'
import { numbersOption } from './options.ts'

export interface AtlasOptions {
  atlas: string
  atlasNames?: string
  mergeSides?: boolean
}

export function addAtlasOptions(command: Command): Command {
  return command
    .requiredOption('--atlas <file.nii>', 'label volume in the space of the scans')
    .option('--atlas-names <table>', 'names of its labels (default: a table of the same name beside it)')
    .option('--merge-sides', 'left and right regions as one')
}

/** @throws InputError for files that cannot be read, or labels without a name */
export async function openStudyAtlas({ atlas, atlasNames, mergeSides: merged }: AtlasOptions): Promise<Atlas> {
  const opened = await openAtlas(atlas, atlasNames)
  return merged ? mergeSides(opened) : opened
}

/** A flag for every option of masks but their lambdas. */
export function addMaskOptions(command: Command): Command {
  for (const option of maskOptions()) {
    if (!['lambda1', 'lambda2', 'reference'].includes(option.attributeName())) command.addOption(option)
  }
  return command
}

export interface LambdaGrid {
  readonly lambda1: readonly number[]
  readonly lambda2: readonly number[]
}

/** From the default of masks down, because networks that are less sure need less; a factor of ten to either side of its smoothness. */
export const GRID: LambdaGrid = {
  lambda1: [maskDefaults.lambda1 / 10, maskDefaults.lambda1 / 3, maskDefaults.lambda1],
  lambda2: [maskDefaults.lambda2 / 10, maskDefaults.lambda2, maskDefaults.lambda2 * 10],
}

export const formatGrid = ({ lambda1, lambda2 }: LambdaGrid) => `${lambda1.join(',')}x${lambda2.join(',')}`

export function gridOption(): Option {
  const read = (text: string): LambdaGrid => {
    const parts = text.split('x')
    if (parts.length !== 2)
      throw new InvalidArgumentError('Give lambda1 and lambda2 with an x between: 6,20,60x0.1,1,10.')
    const [lambda1, lambda2] = parts.map(numbersOption(0)) as [number[], number[]]
    return { lambda1: lambda1.sort((a, b) => a - b), lambda2: lambda2.sort((a, b) => a - b) }
  }
  return new Option('--grid <lambda1xlambda2>', 'weights to choose from; one of each: no choice')
    .default(GRID, formatGrid(GRID))
    .argParser(read)
}

export type { MaskFlags }
