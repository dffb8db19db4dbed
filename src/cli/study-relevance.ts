/** voxplain study relevance: are maps of relevance true to anatomy? */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Command } from 'commander'
import type { Session } from '../engine/session.ts'
import { chooseRegions } from '../explain/study/relevance-regions.ts'
import { atlasOnGrid } from '../io/atlas/atlas.ts'
import { readVolumeFile } from '../io/files.node.ts'
import { openMethods } from './explain-options.ts'
import { versions, withGpu, withSession } from './gpu.ts'
import { classIndex, importOptions, openNetwork } from './network.ts'
import { requireWritable, writeTogether } from './outputs.ts'
import { openStudyAtlas } from './study-options.ts'
import { openParts } from './study-parts.ts'
import { openPeople, requireSeen } from './study-relevance-cohort.ts'
import { estimate } from './study-relevance-estimate.ts'
import { addRelevanceOptions, type RelevanceOptions } from './study-relevance-options.ts'
import { FIGURES, GROUPS, relevanceDocument, relevanceFiles } from './study-relevance-output.ts'
import {
  digestsOf,
  type MethodWork,
  planMethod,
  planWork,
  type RelevanceMethod,
  type RelevanceTask,
} from './study-relevance-plan.ts'
import { compareWithRandom, randomTodo, runRandom } from './study-relevance-random.ts'
import { notesOf, relevanceResults } from './study-relevance-results.ts'
import { correlationLines, randomLines } from './study-relevance-tables.ts'
import { runMethod } from './study-relevance-work.ts'
import { makeReporter, type Reporter, type Terminal } from './terminal.ts'

export function addRelevance(study: Command, terminal: Terminal, finish: (code: number) => void): void {
  const command = study
    .command('relevance')
    .description('relevance in regions against their volume: are maps true to anatomy?')
    .argument('<cohort>', 'table of labelled scans (see voxplain cohort)')
  addRelevanceOptions(command)
  command.action(async (cohort: string, options: RelevanceOptions) => {
    finish(await relevance(cohort, options, makeReporter(terminal, options.json ?? false)))
  })
}

async function relevance(table: string, options: RelevanceOptions, reporter: Reporter): Promise<number> {
  const loaded = await openNetwork(options.network, options.recipe, await importOptions(options))
  const { network } = loaded
  const { classes } = network.description.recipe
  const choices = await openMethods(options, loaded)
  const methods = choices.map((choice) => planMethod(choice, options))
  const target = options.target === undefined ? classes.length - 1 : classIndex(network, options.target)
  const atlas = await openStudyAtlas(options)
  const regions = chooseRegions(atlas, options.regions)
  const people = await openPeople(table, loaded, options)
  const { scans } = people
  const first = await readVolumeFile(scans[0]!.path)
  const placed = atlasOnGrid(atlas, first)
  const notes = [...loaded.notes, ...people.notes, ...requireSeen(regions, placed, network.description, first)]
  const grid = { shape: first.shape, affine: first.affine }
  await requireWritable(options.out)
  // What a killed process left half written there is taken away.
  await openParts(options.out)
  const task: RelevanceTask = { loaded, scans, grid, atlas, placed, target, methods, options, reporter }
  const digests = await digestsOf(task)
  const work = await planWork(task, digests)
  const random = await randomTodo(task, digests)
  for (const note of notes) reporter.note(note)
  tellWork(task, work, random)
  const busy = work.some(({ method, todo }) => todo.length + (random.get(method) ?? 0) > 0)
  if (options.dryRun) {
    if (busy) await withGpu((gpu) => estimate(gpu, task, work, random))
    return 0
  }
  let failed = false
  const makeAll = async (session?: Session) => {
    if (session) for (const one of work) failed = (await runMethod(session, task, one)) || failed
    return runRandom(session, task, digests, people, regions)
  }
  const beside = busy ? await withSession(makeAll, reporter) : await makeAll()
  failed ||= beside.failed
  const made = work.filter(({ state }) => state.scans.length > 0)
  if (made.length === 0) return 1
  const alone = relevanceResults(task, made, people, regions)
  const found = { ...alone, random: compareWithRandom(alone.methods, beside) }
  const own = notesOf(found.methods)
  for (const note of own) reporter.note(note)
  const results = { ...found, cohort: table, notes: [...notes, ...own], versions: versions() }
  for (const folder of [FIGURES, GROUPS]) await mkdir(join(options.out, folder), { recursive: true })
  const files = await relevanceFiles(results)
  await writeTogether(files)
  for (const line of correlationLines(results)) reporter.print(line)
  for (const line of randomLines(results)) reporter.print(line)
  reporter.note(`wrote ${files.length} files to ${options.out}`)
  reporter.document(relevanceDocument(results))
  return failed ? 1 : 0
}

function tellWork(
  { scans, options, reporter }: RelevanceTask,
  work: readonly MethodWork[],
  random: ReadonlyMap<RelevanceMethod, number>,
): void {
  const tell = (name: string, todo: number, all: number) =>
    reporter.note(`${name}: ${todo} of ${all} maps to make${todo < all ? `, ${all - todo} are there` : ''}`)
  for (const { method, todo } of work) {
    tell(method.choice.name, todo.length, scans.length)
    if (options.random === 0) continue
    const who = `${method.choice.name}, ${options.random} network${options.random > 1 ? 's' : ''} with random weights`
    tell(who, random.get(method) ?? 0, options.random * scans.length)
  }
}
