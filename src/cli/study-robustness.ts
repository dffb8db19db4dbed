/** voxplain study robustness: do networks that should agree explain themselves alike? */
import { join } from 'node:path'
import type { Command } from 'commander'
import type { Gpu } from '../engine/gpu.ts'
import { type Context, contextName } from '../explain/study/contexts.ts'
import { type Atlas, atlasOnGrid } from '../io/atlas/atlas.ts'
import { svgToPng } from '../io/chart/chart-png.node.ts'
import type { Cohort } from '../io/cohort/cohort.ts'
import { InputError } from '../io/errors.ts'
import { writeFileAtomic } from '../io/files.node.ts'
import { writeVolume } from '../io/nifti.ts'
import { formatMean } from '../io/report/report-parts.ts'
import type { Volume } from '../io/volume.ts'
import { describeGpu, withSession } from './gpu.ts'
import { formatJson } from './json.ts'
import { requireWritable } from './outputs.ts'
import { cohortForNetwork } from './scan-list.ts'
import { cohortName, meanTruth, readStudyScans, rowFinder } from './study-cohort.ts'
import { openStudyNetworks, type StudyFolder } from './study-networks.ts'
import { formatGrid, openStudyAtlas } from './study-options.ts'
import { openParts } from './study-parts.ts'
import { robustnessFigures } from './study-robustness-figures.ts'
import { addRobustnessOptions, type RobustnessOptions } from './study-robustness-options.ts'
import { robustnessPage } from './study-robustness-page.ts'
import { planRobustness, planRows, planSentence } from './study-robustness-plan.ts'
import { robustnessResults, seenRegions } from './study-robustness-results.ts'
import { robustnessDocument, robustnessTables } from './study-robustness-tables.ts'
import { type RobustnessTask, type RobustnessWork, robustnessWork } from './study-robustness-work.ts'
import { formatTable, makeReporter, type Reporter, type Terminal } from './terminal.ts'

const HELP = `
Every network of a cross-validation (voxplain cv, two folds and two runs or more) is explained by a mask that all patients of
its fold share, after Thibeau-Sutre et al. 2020. The weights of the mask are chosen on the first network. Writes index.html
with all figures and tables, the tables as TSV, results.json, figures/ and maps/. What is done is kept in parts/: a study that
was stopped, even by kill -9, goes on when it is called again, and ends with the very files it would have had.

Examples:
  voxplain cv cohort/participants.tsv --folds 5 --runs 3 --out cv
  voxplain study robustness cohort/participants.tsv --networks cv --atlas AAL2.nii --merge-sides --out robustness
  voxplain study robustness adni.tsv --networks cv --atlas AAL2.nii --grid 60x1 --patients test --dry-run --out robustness
`

export function addRobustness(study: Command, terminal: Terminal, finish: (code: number) => void): void {
  const command = study
    .command('robustness')
    .description('how far masks agree between regularisations, runs, folds and random starts')
    .argument('<cohort>', 'table of the scans that the networks were trained on')
  addRobustnessOptions(command)
  command.addHelpText('after', HELP).action(async (table: string, options: RobustnessOptions) => {
    finish(await robustness(table, options, makeReporter(terminal, options.json ?? false)))
  })
}

async function robustness(table: string, options: RobustnessOptions, reporter: Reporter): Promise<number> {
  const folder = await openStudyNetworks(options.networks)
  const whole = await openStudyAtlas(options)
  const { network } = folder.networks[0]!
  const { cohort, notes, covariates } = await cohortForNetwork(table, network, options)
  const target = targetOf(folder, options.target)
  const patients = patientsOf(folder, cohort, target, options)
  await requireWritable(options.out)
  for (const note of notes) reporter.note(note)
  const rows = [...new Set(folder.networks.flatMap((one) => patients(one)))].sort((a, b) => a - b)
  const reading = reporter.progress('reading scans')
  const scans = await readStudyScans(cohort, rows, network, covariates, (done, all) => reading.update(done, all))
  reading.clear()
  const atlas = atlasOnGrid(whole, scans.grid)
  requireRegions({ folder, scans, atlas }, whole, reporter)
  const truth = await meanTruth(cohort, rows, scans.grid, options.truth)
  const parts = await openParts(options.out)
  const task: RobustnessTask = { folder, scans, atlas, patients, target, options, parts, reporter }
  return withSession(async (session) => {
    if (options.dryRun) {
      const plan = await session.run((gpu) => planRobustness(gpu, task))
      for (const line of formatTable(planRows(plan), [1, 2, 3])) reporter.print(line)
      reporter.print(`${planSentence(plan)} (${session.gpu.name})`)
      reporter.document({ ...plan, ...describeGpu(session.gpu) })
      return 0
    }
    const work = await session.run((gpu, kept) => robustnessWork(gpu, { ...task, parts: parts.telling(kept) }))
    const document = await writeResults(session.gpu, task, work, truth, { table, cohort })
    reporter.document(document)
    return 0
  }, reporter)
}

/** @throws InputError for a class that there is not */
function targetOf({ classes }: StudyFolder, name: string | undefined): number {
  if (name === undefined) return classes.length - 1
  const place = classes.indexOf(name)
  if (place >= 0) return place
  throw new InputError(`--target: the networks have no class "${name}"; their classes: ${classes.join(', ')}`)
}

/** Rows of the patients of each network, in the order of its predictions. */
function patientsOf(
  folder: StudyFolder,
  cohort: Cohort,
  target: number,
  { patients: set, limit }: RobustnessOptions,
): (network: Context) => readonly number[] {
  const place = rowFinder(cohort)
  const name = folder.classes[target]!
  const testedBy = new Map(
    folder.networks.map(({ fold, run, tested }) => {
      const everybody = folder.networks.flatMap((one) => (one.run === run ? [...one.tested.validation] : []))
      const all = [...everybody, ...tested.test]
      const rows = { validation: tested.validation, test: tested.test, all }[set]
      const own = rows.filter(({ trueLabel }) => folder.classOf(trueLabel) === name)
      if (own.length === 0) {
        const what = set === 'test' ? 'the cross-validation has no test set, or it' : contextName({ fold, run })
        throw new InputError(`--patients ${set}: ${what} has nobody of class ${name}; choose another set or --target`)
      }
      return [`${fold}.${run}`, own.slice(0, limit).map(place)] as const
    }),
  )
  return ({ fold, run }) => testedBy.get(`${fold}.${run}`)!
}

/** @throws InputError where the networks see fewer than two regions */
function requireRegions(
  task: Pick<RobustnessTask, 'folder' | 'scans' | 'atlas'>,
  { regions }: Atlas,
  reporter: Reporter,
) {
  const seen = seenRegions(task).length
  if (seen < 2) {
    throw new InputError(
      `the networks see ${seen} of the ${regions.length} regions of the atlas; a study of regions needs two: is it in the space of the scans?`,
    )
  }
  if (seen < regions.length)
    reporter.note(`${regions.length - seen} of ${regions.length} regions of the atlas are beyond what the networks see`)
}

async function writeResults(
  gpu: Gpu,
  task: RobustnessTask,
  work: RobustnessWork,
  truth: Volume | undefined,
  { table, cohort }: { table: string; cohort: Cohort },
): Promise<Record<string, unknown>> {
  const { options, reporter, folder } = task
  const empty = work.masks.filter(({ made }) => made.area === 0)
  for (const one of empty)
    reporter.warn(`the mask of ${contextName(one)} takes nothing away; its ROI similarity is not defined`)
  const results = robustnessResults(task, work, truth)
  const figures = robustnessFigures(task, work, results)
  const about = describeGpu(gpu)
  const settings: [string, string][] = [
    [
      'cohort',
      `${cohort.name}: ${new Set(folder.networks.flatMap((one) => task.patients(one))).size} patients (${folder.classes[task.target]})`,
    ],
    [
      'networks',
      `${options.networks}: ${folder.folds} folds, ${folder.runs} runs; ${folder.networks[0]!.network.description.name}`,
    ],
    [
      'atlas',
      `${options.atlas}, ${results.ranking.regions.length} regions${options.mergeSides ? ', sides merged' : ''}`,
    ],
    ['grid of lambdas', formatGrid(options.grid)],
    ['chosen', `lambda1 ${work.settings.lambda1}, lambda2 ${work.settings.lambda2}`],
    ['mask', maskWords(work.settings)],
    ['patients', `${options.patients}${options.limit === undefined ? '' : `, at most ${options.limit} a fold`}`],
    ['random starts', `${options.starts}, cells from ${1 - options.start} to 1`],
    ['seed', String(options.seed)],
    ['adapter', about.adapter],
    [
      'versions',
      Object.entries(about.versions)
        .map(([name, version]) => `${name} ${version}`)
        .join(', '),
    ],
  ]
  const document = { settings: Object.fromEntries(settings), ...robustnessDocument(task, work, results), ...about }
  const write = async (name: string, bytes: Uint8Array | string) => writeFileAtomic(join(options.out, name), bytes)
  for (const folderName of ['figures', 'maps']) await requireWritable(join(options.out, folderName))
  for (const [name, svg] of Object.entries(figures)) {
    await write(join('figures', `${name}.svg`), svg)
    await write(join('figures', `${name}.png`), await svgToPng(svg, 2))
  }
  const save = async (name: string, { shape, affine, data }: Volume) =>
    write(join('maps', `${name}_desc-mask_relevance.nii.gz`), writeVolume({ shape, affine, data }, { gzip: true }))
  for (const { fold, run, made } of work.masks) await save(`fold-${fold}_run-${run}`, made.relevance)
  if (work.grid.length > 1) {
    for (const { lambda1, lambda2, made } of work.grid)
      await save(`grid_lambda1-${lambda1}_lambda2-${lambda2}`, made.relevance)
  }
  for (const [name, text] of Object.entries(robustnessTables(task, work, results))) await write(name, text)
  await write('results.json', formatJson(document))
  await write('index.html', robustnessPage({ task, work, results, figures, name: cohortName(table), settings }))
  for (const line of formatTable(resultRows(results), [1, 2])) reporter.print(line)
  reporter.print(
    `regions: ${results.ranking.regions
      .slice(0, 5)
      .map(({ name }) => name)
      .join(', ')}, ...`,
  )
  reporter.print(`${join(options.out, 'index.html')} has all figures and tables`)
  return document
}

function maskWords({
  fill,
  within,
  reduction,
  resolution,
  iterations,
  tolerance,
  learningRate,
  beta1,
  beta2,
  score,
  precision,
}: RobustnessWork['settings']): string {
  return `${score}, fill ${fill}, within ${within}, ${reduction}, beta1 ${beta1}, beta2 ${beta2}, cells of ${resolution} voxels, ${iterations} steps, tolerance ${tolerance}, learning rate ${learningRate}, ${precision}`
}

function resultRows({ kinds }: ReturnType<typeof robustnessResults>): string[][] {
  return [
    ['pairs', 'prob_CNN', 'ROI similarity'],
    ...kinds.map(({ kind, probability, similarity }) => [kind, formatMean(probability), formatMean(similarity)]),
  ]
}
