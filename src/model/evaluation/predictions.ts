/** Predictions as a table in ClinicaDL's form: participant_id, session_id, true_label, predicted_label, proba0, proba1, ... */
import { InputError } from '../../io/errors.ts'
import { formatTsv, parseTsv, type TsvRow } from '../../io/tsv.ts'
import { argmax } from './metrics.ts'

export interface PredictionRow {
  readonly participant: string
  /** Undefined where the table has no sessions. */
  readonly session?: string
  /** As the cohort has it; need not be a class of the network (MCI, for a network of CN and AD). Undefined: not known. */
  readonly trueLabel?: string
  /** Name of a class. */
  readonly predictedLabel: string
  /** One a class, in the order of the classes. */
  readonly probabilities: readonly number[]
}

/** What a network said of a cohort. */
export interface Predictions {
  /** Names in the order of the probabilities. */
  readonly classes: readonly string[]
  readonly rows: readonly PredictionRow[]
}

/** A row whose predicted label is the most probable class; the first of several. */
export function predictionRow(
  classes: readonly string[],
  { probabilities, ...who }: Omit<PredictionRow, 'predictedLabel'>,
): PredictionRow {
  return { ...who, predictedLabel: classes[argmax(probabilities)]!, probabilities }
}

/** The table's text. Labels are names, probabilities have all their digits. */
export function formatPredictions({ classes, rows }: Predictions): string {
  const probabilities = classes.map((_, k) => `proba${k}`)
  return formatTsv(
    ['participant_id', 'session_id', 'true_label', 'predicted_label', ...probabilities],
    rows.map((row) => ({
      participant_id: row.participant,
      session_id: row.session,
      true_label: row.trueLabel,
      predicted_label: row.predictedLabel,
      ...Object.fromEntries(row.probabilities.map((p, k) => [`proba${k}`, p])),
    })),
  )
}

/** What the columns are, as BIDS describes them in a JSON file beside the table; it names the classes. */
export function describePredictions({ classes }: Predictions): Record<string, Record<string, string>> {
  return {
    participant_id: { Description: 'Subject' },
    session_id: { Description: 'Session; n/a where the cohort has none' },
    true_label: { Description: 'Label in the cohort' },
    predicted_label: { Description: 'Most probable class' },
    ...Object.fromEntries(classes.map((name, k) => [`proba${k}`, { Description: `P(${name})`, Class: name }])),
  }
}

/** Class names out of such a description; undefined when it has none. */
export function classesDescribed(description: unknown): string[] | undefined {
  const names: string[] = []
  for (;;) {
    const column = (description as Record<string, { Class?: unknown }> | null)?.[`proba${names.length}`]
    if (typeof column?.Class !== 'string') return names.length > 0 ? names : undefined
    names.push(column.Class)
  }
}

export interface ReadPredictionsOptions {
  /**
   * Names of the classes in the order of the probabilities. Labels that are numbers (ClinicaDL's) get these names.
   * Default: what the predicted labels tell.
   */
  classes?: readonly string[]
  /** What to call the table in messages. */
  name?: string
}

/**
 * Reads such a table. Columns beyond those are ignored; session_id and true_label may be missing.
 * @throws InputError naming the line of a missing or double participant, or of something that is not a probability; or when
 *   the names of the classes do not fit or cannot be told
 */
export function parsePredictions(text: string, options: ReadPredictionsOptions = {}): Predictions {
  const { name = 'the predictions' } = options
  const { columns, rows } = parseTsv(text, name)
  for (const column of ['participant_id', 'predicted_label', 'proba0', 'proba1']) {
    if (!columns.includes(column))
      throw new InputError(`${name} has no column "${column}"; it has ${columns.join(', ')}`)
  }
  if (rows.length === 0) throw new InputError(`${name} has no predictions`)
  let count = 2
  while (columns.includes(`proba${count}`)) count++
  const probabilities = rows.map((row, n) => readProbabilities(row, count, `${name}, line ${n + 2}`))
  const told = rows.map((row) => row.predicted_label ?? undefined)
  const classes = options.classes ?? classesTold(told, probabilities, name)
  if (classes.length !== count || new Set(classes).size !== count) {
    throw new InputError(`${name} has ${count} probabilities a line, but the classes are ${classes.join(', ')}`)
  }
  const named = namesOf(classes, told)
  const seen = new Map<string, number>()
  return {
    classes,
    rows: rows.map((row, n) => {
      const participant = row.participant_id
      if (!participant) throw new InputError(`${name}, line ${n + 2}: no participant_id`)
      const session = row.session_id ?? undefined
      const key = `${participant}\t${session ?? ''}`
      if (seen.has(key)) {
        throw new InputError(
          `${name}: lines ${seen.get(key)} and ${n + 2} are both of ${key.trim().replace('\t', ' ')}; keep one`,
        )
      }
      seen.set(key, n + 2)
      const trueLabel = row.true_label ? named(row.true_label) : undefined
      const own = probabilities[n]!
      const predictedLabel = told[n] === undefined ? classes[argmax(own)]! : named(told[n])
      if (!classes.includes(predictedLabel)) {
        throw new InputError(`${name}, line ${n + 2}: "${predictedLabel}" is none of the classes ${classes.join(', ')}`)
      }
      return { participant, session, trueLabel, predictedLabel, probabilities: own }
    }),
  }
}

/** How far the sum of rounded probabilities may be from 1. */
const ROUNDING = 0.01

function readProbabilities(row: TsvRow, count: number, where: string): number[] {
  const values = Array.from({ length: count }, (_, k) => {
    const cell = row[`proba${k}`]
    const value = cell === null || cell === undefined || cell.trim() === '' ? Number.NaN : Number(cell)
    if (!(value >= 0 && value <= 1)) throw new InputError(`${where}: proba${k} is ${cell ?? 'n/a'}, need 0 to 1`)
    return value
  })
  const sum = values.reduce((a, b) => a + b, 0)
  if (Math.abs(sum - 1) > ROUNDING) throw new InputError(`${where}: the probabilities add up to ${sum}, need 1`)
  return values
}

/** Class names by what was predicted where which probability was the largest. */
function classesTold(
  told: readonly (string | undefined)[],
  probabilities: readonly number[][],
  name: string,
): string[] {
  const count = probabilities[0]!.length
  const numbers = Array.from({ length: count }, (_, k) => String(k))
  if (told.every((label) => label === undefined || numbers.includes(label))) return numbers
  const found = new Array<string | undefined>(count).fill(undefined)
  for (const [n, row] of probabilities.entries()) {
    const k = argmax(row)
    const tied = row.filter((p) => p === row[k]).length > 1
    if (tied || told[n] === undefined) continue
    found[k] ??= told[n]
    if (found[k] !== told[n]) {
      throw new InputError(
        `${name}, line ${n + 2}: proba${k} is the largest and ${told[n]} predicted, but ${found[k]} elsewhere; give the classes in order`,
      )
    }
  }
  const unknown = found.findIndex((label) => label === undefined)
  if (unknown < 0) return found as string[]
  throw new InputError(`${name}: which class proba${unknown} is of cannot be told; give the classes in order`)
}

/** How labels of the table become names: numbers by their place, when the predicted ones are numbers and the classes are not. */
function namesOf(classes: readonly string[], told: readonly (string | undefined)[]): (label: string) => string {
  const places = told.every((label) => label === undefined || (!classes.includes(label) && /^\d+$/.test(label)))
  return (label) => (places && /^\d+$/.test(label) ? (classes[Number(label)] ?? label) : label)
}
