/** voxplain phantom: a cohort of made-up people with known atrophy. */
import { join } from 'node:path'
import { type Command, Option } from 'commander'
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
    .option('--json', 'one JSON document on stdout')
    .addHelpText('after', '\nExample:\n  voxplain phantom --out cohort --subjects 40 --voxel 4 --seed 1\n')
    .action(async (options: Options) => {
      finish(await phantom(options, terminal))
    })
}

async function phantom({ out, subjects, voxel, seed, groups, effect, json }: Options, terminal: Terminal) {
  const reporter = makeReporter(terminal, json ?? false)
  const bar = reporter.progress('phantom')
  const rows = await writePhantom(out, {
    subjects,
    voxelMm: voxel,
    seed,
    groups: groups as Diagnosis[],
    effect,
    onProgress: (done, total) => bar.update(done, total),
  })
  bar.clear()
  const participants = join(out, 'participants.tsv')
  const counts = groups.map((group) => `${rows.filter((row) => row.diagnosis === group).length} ${group}`)
  reporter.print(`${rows.length} subjects (${counts.join(', ')}) in ${participants}`)
  reporter.document({ participants, options: { subjects, voxel, seed, groups, effect }, subjects: rows })
  return 0
}
