/**
 * Covariates of a cohort as numbers: age, sex, head size, field strength, or any column. Numbers mean the same in every
 * cohort (units, coding of sex), because coefficients that one cohort gave are applied to others.
 */

import { InputError } from '../errors.ts'
import { type Cohort, findColumn } from './cohort.ts'

/**
 * What becomes of rows where a covariate is missing (never of those where it is no number, which are always faults):
 * 'refuse' lists them; 'drop' leaves them out of the cohort; 'mean' keeps them, and whoever fits fills in the mean of
 * the rows it fits on (covariateMeans, fillCovariates).
 */
export type MissingPolicy = 'refuse' | 'drop' | 'mean'

export interface CovariateFault {
  /** Index of the row. */
  readonly row: number
  readonly covariate: string
  readonly kind: 'missing' | 'invalid'
  /** For people: what is wrong, with the value. */
  readonly detail: string
}

export interface Covariates {
  /** Names that mean the same in every cohort: age, sex, tiv, field_strength, or a column's own. */
  readonly names: readonly string[]
  /** The columns they were read from. */
  readonly columns: readonly string[]
  /** [rows, names], names fastest; NaN where a row has no number. Age in years, sex 0 male 1 female, tiv in ml, T. */
  readonly values: Float64Array
  readonly faults: readonly CovariateFault[]
  /** What was assumed. */
  readonly notes: readonly string[]
}

/** Columns in which a covariate is looked for, in this order. */
const ALIASES: Readonly<Record<string, readonly string[]>> = {
  age: ['age', 'age_bl', 'age_at_scan', 'age_at_session', 'age_years'],
  sex: ['sex', 'gender', 'ptgender'],
  tiv: ['tiv', 'tiv_ml', 'etiv', 'icv', 'head_size', 'total_intracranial_volume', 'EstimatedTotalIntraCranialVol'],
  field_strength: ['field_strength', 'magnetic_field_strength', 'MagneticFieldStrength', 'field', 'fldstreng'],
}

/** Oldest age that is taken for years. */
const OLDEST = 130

/**
 * Reads covariates of all rows.
 * @param names age, sex, tiv, field_strength (or one of the columns they are usually called), or any other column
 * @throws InputError when a covariate has no column, or is named twice
 */
export function readCovariates(cohort: Cohort, names: readonly string[]): Covariates {
  const found = names.map((name) => resolve(cohort, name))
  const repeated = found.find(({ name }, n) => found.findIndex((other) => other.name === name) !== n)
  if (repeated) throw new InputError(`the covariate ${repeated.name} is named twice; name each covariate once`)
  const values = new Float64Array(cohort.rows.length * names.length).fill(Number.NaN)
  const faults: CovariateFault[] = []
  const notes: string[] = []
  found.forEach(({ name, column }, c) => {
    const cells = cohort.rows.map((row) => row.cells[column] ?? null)
    const read = readerOf(name, column, cells, notes)
    cells.forEach((cell, row) => {
      const value = cell === null ? undefined : read(cell)
      if (typeof value === 'number') values[row * names.length + c] = value
      else if (cell === null) faults.push({ row, covariate: name, kind: 'missing', detail: `no ${name}` })
      else faults.push({ row, covariate: name, kind: 'invalid', detail: `${name} "${cell}" ${value}` })
    })
  })
  return { names: found.map(({ name }) => name), columns: found.map(({ column }) => column), values, faults, notes }
}

/** Whether a cohort has a column for a covariate. */
export function hasCovariate(cohort: Cohort, name: string): boolean {
  return lookUp(cohort, name).column !== undefined
}

function lookUp(cohort: Cohort, wanted: string) {
  const lower = wanted.toLowerCase()
  const known = Object.entries(ALIASES).find(([name, columns]) =>
    [name, ...columns].some((alias) => alias.toLowerCase() === lower),
  )
  // A column that was named outright comes before others of its kind.
  return { known, column: findColumn(cohort.columns, known ? [wanted, ...known[1]] : [wanted]) }
}

function resolve(cohort: Cohort, wanted: string): { name: string; column: string } {
  const { known, column } = lookUp(cohort, wanted)
  if (column === undefined) {
    const looked = known ? ` (looked for ${known[1].join(', ')})` : ''
    throw new InputError(
      `${cohort.name} has no column for the covariate ${wanted}${looked}; it has ${cohort.columns.join(', ')}`,
    )
  }
  return { name: known?.[0] ?? column, column }
}

/** A number, or words that follow the value in a message. */
type Reader = (cell: string) => number | string

function readerOf(name: string, column: string, cells: readonly (string | null)[], notes: string[]): Reader {
  if (name === 'sex') return sexReader(column, cells, notes)
  if (name === 'tiv') return headSizeReader(column, cells, notes)
  if (name === 'field_strength') return (cell) => plainNumber(cell.replace(/\s*(t|tesla)$/i, ''))
  if (name !== 'age') return plainNumber
  return (cell) => {
    const age = plainNumber(cell)
    if (typeof age === 'number' && (age < 0 || age > OLDEST)) return `is no age in years (0 to ${OLDEST})`
    return age
  }
}

function plainNumber(cell: string): number | string {
  const value = Number(cell)
  if (Number.isFinite(value)) return value
  return /^-?\d+,\d+$/.test(cell) ? 'has a decimal comma; write a point' : 'is not a finite number'
}

/** 0 male, 1 female. Codes 1 and 2 are taken as male and female, 0 and 1 as male and female; both are noted. */
function sexReader(column: string, cells: readonly (string | null)[], notes: string[]): Reader {
  const codes = new Set(cells.filter((cell) => cell !== null && /^[012](\.0*)?$/.test(cell)).map(Number))
  const [male, female] = codes.has(2) ? [1, 2] : [0, 1]
  const ambiguous = (codes.has(0) && codes.has(2)) || (codes.size === 1 && codes.has(1))
  if (codes.size > 0 && !ambiguous) {
    notes.push(`column ${column}: ${male} was taken as male and ${female} as female; write M and F to be sure`)
  }
  return (cell) => {
    if (/^(m|male|man)$/i.test(cell)) return 0
    if (/^(f|female|woman)$/i.test(cell)) return 1
    const code = Number(cell)
    if (codes.has(code))
      return ambiguous ? 'may be either sex with the codes of this column; write M or F' : code - male
    return 'is not M, F, male, female or a code 0/1 or 1/2'
  }
}

/** Units of head size by the smallest value they give, and the factor to ml. A head has 0.5 to 5 litres. */
const HEAD_UNITS = [
  { name: 'litres', least: 0.5, factor: 1000 },
  { name: 'ml', least: 500, factor: 1 },
  { name: 'mm3', least: 500000, factor: 0.001 },
]

/** In ml; the unit of a column is known by its median, as heads differ less than units do. */
function headSizeReader(column: string, cells: readonly (string | null)[], notes: string[]): Reader {
  const sizes = cells.map((cell) => (cell === null ? Number.NaN : Number(cell))).filter(Number.isFinite)
  const median = sizes.sort((a, b) => a - b)[sizes.length >> 1]
  const unit = HEAD_UNITS.find(({ least }) => median !== undefined && median >= least && median < 10 * least)
  if (unit && unit.factor !== 1) notes.push(`column ${column}: head sizes of ${unit.name} were turned into ml`)
  return (cell) => {
    const value = plainNumber(cell)
    if (typeof value === 'string') return value
    const ml = value * (unit?.factor ?? Number.NaN)
    return ml >= 500 && ml < 5000 ? ml : 'is no head size: 500 to 5000 ml, or the same in mm3 or litres'
  }
}

/**
 * Mean of each covariate over some rows (those that a fit uses), passing over missing ones.
 * @throws InputError when a covariate is missing in all of them
 */
export function covariateMeans({ names, values }: Covariates, rows: readonly number[]): number[] {
  return names.map((name, c) => {
    const present = rows.map((row) => values[row * names.length + c]!).filter((value) => !Number.isNaN(value))
    if (present.length === 0) {
      throw new InputError(`the covariate ${name} is missing in every row that it is to be fitted on; leave it out`)
    }
    return present.reduce((sum, value) => sum + value, 0) / present.length
  })
}

/** The values, [rows, names], with these means where one is missing. */
export function fillCovariates({ names, values }: Covariates, means: readonly number[]): Float64Array {
  return values.map((value, n) => (Number.isNaN(value) ? means[n % names.length]! : value))
}
