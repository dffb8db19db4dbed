/** What a cross-validation was done with: for the record that a study goes on by, and for its page. */
import type { NetworkDescription } from '../model/description.ts'
import { digestRows, foldOf, type Study, type StudyCommandOptions } from './cv-study.ts'
import type { Shard } from './shard.ts'
import type { LoopOptions, TrainingCommandOptions } from './training-options.ts'

export interface CvCommandOptions extends StudyCommandOptions, TrainingCommandOptions {
  out: string
  runs: number
  draws: number
  level: number
  resume?: boolean
  shard?: Shard
  json?: boolean
}

/** Everything that the results depend on. */
export function settingsOf(
  table: string,
  study: Study,
  description: NetworkDescription,
  loop: LoopOptions,
  options: CvCommandOptions,
): Record<string, unknown> {
  const { prepare: _, memoryLimit: __, checkpointSteps: ___, ...training } = loop
  const { folds, runs, test, residualise, controls, missing, shuffleLabels, draws, level, trainClasses } = options
  return {
    table,
    ...digestRows(study),
    classes: study.classes,
    'class of label': Object.fromEntries(study.classOf),
    trainClasses,
    folds: study.splits.length || folds,
    runs,
    test,
    split: foldOf(study).join(' '),
    residualise,
    controls,
    missing,
    shuffleLabels,
    contrasts: study.contrasts.map(({ name }) => name),
    draws,
    level,
    training,
    network: description,
  }
}

/** What readers of the page want to know. */
export function pageSettings(
  study: Study,
  description: NetworkDescription,
  options: CvCommandOptions,
  started: Readonly<Record<string, unknown>>,
): [string, string][] {
  const { schedule, warmUp, patience, augment, dropout, classes } = { ...options, classes: study.classes }
  const versions = Object.entries((started.versions ?? {}) as Record<string, string>)
  const rate = `${options.learningRate}${schedule.kind === 'constant' ? '' : `, ${JSON.stringify(schedule)}`}`
  const rows: [string, string | undefined][] = [
    ['cohort', `${study.name}: ${study.cohort.rows.length} scans`],
    ...study.others.map(({ name, cohort }): [string, string] => [
      'independent cohort',
      `${name}: ${cohort.rows.length} scans`,
    ]),
    ['trained classes', classes.join(', ')],
    ['network', `${description.name}, input ${description.input.slice(1).join(' x ')}`],
    ['scaling', description.recipe.scaling],
    ['folds, runs, seed', `${study.splits.length}, ${options.runs}, ${options.seed}`],
    ['test share', options.test > 0 ? String(options.test) : undefined],
    ['residualised', options.residualise?.join(', ')],
    ['optimizer', `${options.optimizer}, weight decay ${options.weightDecay}`],
    ['learning rate', `${rate}${warmUp > 0 ? `, warm-up ${warmUp} epochs` : ''}`],
    ['batch', `${options.batch}${options.accumulate > 1 ? ` x ${options.accumulate}` : ''}`],
    [
      'epochs',
      `${options.epochs}${patience === undefined ? '' : `, patience ${patience}, tolerance ${options.tolerance}`}`,
    ],
    ['epoch chosen by', options.metric === 'loss' ? 'validation loss' : `validation ${options.metric}`],
    ['sampler, loss', `${options.sampler}${options.balanced ? ', classes weighted alike' : ''}`],
    ['dropout', dropout === undefined ? undefined : String(dropout)],
    ['augmentation', augment && JSON.stringify(augment)],
    ['adapter', typeof started.adapter === 'string' ? started.adapter : undefined],
    ['versions', versions.map(([name, version]) => `${name} ${version}`).join(', ')],
  ]
  return rows.filter((row): row is [string, string] => row[1] !== undefined)
}
