/** What a cross-validation is about: cohorts, classes, splits, contrasts. */
import { createHash } from 'node:crypto'
import { basename, dirname, resolve } from 'node:path'
import { InvalidArgumentError } from 'commander'
import { type Cohort, participantKey } from '../io/cohort/cohort.ts'
import { readSplitFolder } from '../io/cohort/split-files.node.ts'
import { InputError } from '../io/errors.ts'
import type { Grid } from '../io/resample.ts'
import { TEST, VALIDATION } from '../model/crossval/crossval.ts'
import { shuffleLabels } from '../model/crossval/shuffle-labels.ts'
import { studyContrasts } from '../model/crossval/summary.ts'
import { type Contrast, contrastsInLabels } from '../model/evaluation/contrast.ts'
import { splitsFromColumn, splitsFromLists } from '../model/training/split-given.ts'
import { type Split, stratifiedFolds } from '../model/training/splits.ts'
import { checkContrasts, fileNameOf } from './evaluate-inputs.ts'
import { openLabelledCohort, type ScanCommandOptions } from './train-scans.ts'

export interface StudyCommandOptions extends ScanCommandOptions {
  folds: number
  test: number
  cohort: NamedTable[]
  trainClasses?: string[]
  contrast?: Contrast[]
  shuffleLabels?: number
  splitColumn?: string
  splitFolder?: string
  samePeople?: boolean
  seed: number
}

export interface NamedTable {
  readonly name: string
  readonly file: string
}

export interface Study {
  readonly name: string
  readonly cohort: Cohort
  /** Classes of the network. */
  readonly classes: readonly string[]
  readonly splits: readonly Split[]
  readonly others: readonly { readonly name: string; readonly cohort: Cohort }[]
  readonly grid: Grid
  readonly contrasts: readonly Contrast[]
  /** Class of a label, where labels were grouped. */
  readonly classOf: ReadonlyMap<string, string>
  readonly notes: readonly string[]
}

/** An option that may come several times, NAME=TABLE each. */
export function namedTable(value: string, earlier: NamedTable[]): NamedTable[] {
  const [, name, file] = /^([^=/\\]+)=(.+)$/.exec(value) ?? []
  if (name === undefined || file === undefined) throw new InvalidArgumentError('Give NAME=TABLE.')
  const taken = [VALIDATION, TEST, ...earlier.map((one) => one.name)].map((one) => fileNameOf(one).toLowerCase())
  if (taken.includes(fileNameOf(name.trim()).toLowerCase())) {
    throw new InvalidArgumentError(`"${name.trim()}" is taken; give each cohort a name of its own.`)
  }
  return [...earlier, { name: name.trim(), file }]
}

/** @throws InputError for tables, classes, splits or contrasts that will not do */
export async function openStudy(table: string, options: StudyCommandOptions): Promise<Study> {
  const main = await openLabelledCohort(table, options)
  const further = { unlabelled: true, absentClasses: true, grid: main.grid }
  const others: { name: string; cohort: Cohort; notes: readonly string[] }[] = []
  for (const { name, file } of options.cohort) {
    const { cohort, report } = await openLabelledCohort(file, options, further)
    const names = new Set(main.cohort.rows.map(participantKey))
    const shared = new Set(cohort.rows.map(participantKey).filter((key) => names.has(key))).size
    const strangers = `${shared} participants have names that ${nameOf(table)} has, too, and are taken for other people`
    const notes =
      shared > 0 && !options.samePeople ? [...report.notes, `${strangers}; else say --same-people`] : report.notes
    others.push({ name, cohort, notes: notes.map((note) => `${name}: ${note}`) })
  }
  const shuffle = (cohort: Cohort) =>
    options.shuffleLabels === undefined ? cohort : shuffleLabels(cohort, options.shuffleLabels)
  const cohort = shuffle(main.cohort)
  const tested = others.map(({ name, cohort: own }) => ({ name, cohort: shuffle(own) }))
  const classes = trainedClasses(cohort, options.trainClasses)
  const rows = [cohort, ...tested.map((one) => one.cohort)].flatMap((one) => one.rows)
  const classOf = new Map(
    rows.flatMap(({ givenLabel, label }) =>
      givenLabel !== undefined && label !== undefined ? [[givenLabel, label]] : [],
    ),
  )
  const labels = [...new Set(rows.flatMap(({ givenLabel }) => givenLabel ?? []))]
  const contrasts = options.contrast ?? defaultContrasts(classes, labels, classOf)
  const sets = [{ name: nameOf(table), predictions: { classes, rows: rows.map(asPrediction) } }]
  checkContrasts(sets, contrasts, classOf)
  return {
    name: nameOf(table),
    cohort,
    classes,
    splits: await chooseSplits(cohort, options),
    others: tested,
    grid: main.grid,
    contrasts,
    classOf,
    notes: [...main.report.notes, ...others.flatMap(({ notes }) => notes)],
  }
}

/** The file's name, or that of its folder where all cohorts have a participants.tsv. */
function nameOf(table: string): string {
  const stem = basename(table).replace(/\.[tc]sv$/i, '')
  return stem === 'participants' ? basename(dirname(resolve(table))) || stem : stem
}

/** Classes of the network, in the order of the cohort's. */
function trainedClasses(cohort: Cohort, wanted: readonly string[] | undefined): readonly string[] {
  if (wanted === undefined) return cohort.classes
  const absent = wanted.find((name) => !cohort.classes.includes(name))
  if (absent !== undefined) {
    throw new InputError(`--train-classes: ${absent} is none of the classes ${cohort.classes.join(', ')}`)
  }
  if (new Set(wanted).size < 2) throw new InputError('--train-classes: name two classes or more')
  return cohort.classes.filter((name) => wanted.includes(name))
}

/** In the labels of the tables, where several may make a class. */
function defaultContrasts(
  classes: readonly string[],
  labels: readonly string[],
  classOf: ReadonlyMap<string, string>,
): Contrast[] {
  const untrained = labels.filter((label) => !classes.includes(classOf.get(label) ?? label))
  return contrastsInLabels(studyContrasts(classes, untrained), labels, classOf)
}

function asPrediction({ participant, session, givenLabel }: Cohort['rows'][number]) {
  return { participant, session, trueLabel: givenLabel, predictedLabel: '', probabilities: [] }
}

async function chooseSplits(cohort: Cohort, options: StudyCommandOptions): Promise<Split[]> {
  const { splitColumn, splitFolder, folds, test, seed } = options
  if (splitColumn !== undefined && splitFolder !== undefined) {
    throw new InputError('give --split-column or --split-folder, not both')
  }
  if (splitColumn === undefined && splitFolder === undefined) return stratifiedFolds(cohort, { folds, test, seed })
  if (test > 0) throw new InputError('--test is for splits that are drawn; given ones name their test sets')
  return splitFolder === undefined
    ? splitsFromColumn(cohort, splitColumn!)
    : splitsFromLists(cohort, await readSplitFolder(splitFolder))
}

/** Who is in which cohort, and labelled what, as a digest. */
export function digestRows({ cohort, others }: Study): Record<string, string> {
  const lines = (one: Cohort) =>
    one.rows.map(({ participant, session, givenLabel, label, scan, cells }) =>
      JSON.stringify([participant, session, givenLabel, label, scan, cells]),
    )
  const digest = (one: Cohort) => createHash('sha256').update(lines(one).join('\n')).digest('hex').slice(0, 16)
  const sets = [{ name: 'cohort', cohort }, ...others]
  return Object.fromEntries(sets.map((one) => [one.name, `${one.cohort.rows.length} rows ${digest(one.cohort)}`]))
}

/** Which fold validates each row of the cohort, `test`, or nothing; with several splits of one row, the first. */
export function foldOf({ cohort, splits }: Study): string[] {
  return cohort.rows.map((_, n) => {
    const fold = splits.findIndex(({ validation }) => validation.includes(n))
    return fold >= 0 ? String(fold) : splits.some(({ test }) => test.includes(n)) ? TEST : ''
  })
}
