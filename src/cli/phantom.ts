/** voxplain phantom: a cohort of made-up people with known atrophy. */
import { join } from 'node:path'
import { type Command, InvalidArgumentError, Option } from 'commander'
import type { Diagnosis } from '../phantom/disease.ts'
import { writePhantom } from '../phantom/write.node.ts'
import { integerOption, listOption, numberOption, seedOption } from './options.ts'
import { makeReporter, type Terminal } from './terminal.ts'

interface Options {
  out: string
  subjects: number
  voxel: number
  seed: number
  groups: string[]
  effect: number
  ages?: Partial<Record<Diagnosis, number>>
  ageDeviation: number
  aging: number
  variability: number
  noise: number
  blur: number
  gamma: number
  json?: boolean
}

export function addPhantom(program: Command, terminal: Terminal, finish: (code: number) => void): void {
  program
    .command('phantom')
    .description('write a cohort of phantom grey-matter maps with known atrophy')
    .requiredOption('--out <folder>', 'where to write; made if it is missing')
    .addOption(new Option('--subjects <count>', 'how many').default(60).argParser(integerOption(1, 100000)))
    .addOption(new Option('--voxel <mm>', 'edge of a voxel').default(4).argParser(numberOption(0.5, 20)))
    .addOption(new Option('--seed <seed>', 'the same seed gives the same files').default(1).argParser(seedOption))
    .addOption(new Option('--groups <names>', 'CN, MCI, AD').default(['CN', 'AD'], 'CN,AD').argParser(listOption))
    .addOption(
      new Option('--effect <factor>', 'multiplies what patients lose').default(1).argParser(numberOption(0, 2)),
    )
    .addOption(new Option('--ages <means>', 'mean age of groups, e.g. CN=66,AD=76 (default: 72)').argParser(agesOption))
    .addOption(
      new Option('--age-deviation <years>', 'of ages within a group').default(7).argParser(numberOption(0, 20)),
    )
    .addOption(new Option('--aging <factor>', 'multiplies what ageing takes').default(1).argParser(numberOption(0, 5)))
    .addOption(
      new Option('--variability <factor>', 'multiplies how people differ in form, regions and brightness')
        .default(1)
        .argParser(numberOption(0, 3)),
    )
    .addOption(
      new Option('--noise <deviation>', 'of the scanner, in full grey matter')
        .default(0.04)
        .argParser(numberOption(0, 0.5)),
    )
    .addOption(new Option('--blur <mm>', 'a softer scanner').default(0).argParser(numberOption(0, 10)))
    .addOption(
      new Option('--gamma <power>', 'a scanner of another contrast').default(1).argParser(numberOption(0.25, 4)),
    )
    .option('--json', 'one JSON document on stdout')
    .addHelpText('after', '\nExample:\n  voxplain phantom --out cohort --subjects 40 --voxel 4 --seed 1\n')
    .action(async (options: Options) => {
      finish(await phantom(options, terminal))
    })
}

/** The amounts by which people differ, times a factor. */
function different(factor: number) {
  return { deformationMm: 2 * factor, brightness: 0.05 * factor, regional: 0.06 * factor }
}

function agesOption(text: string): Partial<Record<Diagnosis, number>> {
  const pairs = text.split(',').map((part) => {
    const [, group, age] = /^\s*(\w+)=([\d.]+)\s*$/.exec(part) ?? []
    if (group === undefined) throw new InvalidArgumentError(`"${part}" is not of the form GROUP=YEARS.`)
    return [group, Number(age)]
  })
  return Object.fromEntries(pairs)
}

async function phantom(options: Options, terminal: Terminal): Promise<number> {
  const {
    out,
    subjects,
    voxel,
    seed,
    groups,
    effect,
    ages,
    ageDeviation,
    aging,
    variability,
    noise,
    blur,
    gamma,
    json,
  } = options
  const reporter = makeReporter(terminal, json ?? false)
  const bar = reporter.progress('phantom')
  const rows = await writePhantom(out, {
    subjects,
    voxelMm: voxel,
    seed,
    groups: groups as Diagnosis[],
    effect,
    ages,
    ageDeviation,
    aging,
    ...different(variability),
    noise,
    blurMm: blur,
    gamma,
    onProgress: (done, total) => bar.update(done, total),
  })
  bar.clear()
  const participants = join(out, 'participants.tsv')
  const counts = [...new Set(groups)].map((group) => `${rows.filter((row) => row.diagnosis === group).length} ${group}`)
  reporter.print(`${rows.length} subjects (${counts.join(', ')}) in ${participants}`)
  reporter.document({
    participants,
    options: { subjects, voxel, seed, groups, effect, ages, ageDeviation, aging, variability, noise, blur, gamma },
    subjects: rows,
  })
  return 0
}
