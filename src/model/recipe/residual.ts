/**
 * Residualisation (Dyrba et al. 2021): what age, sex, head size, field strength ... explain of each voxel in controls is
 * taken off every scan, so that a network cannot tell classes apart by them. residual-fit.ts finds the coefficients.
 */
import type { Covariates } from '../../io/cohort/covariates.ts'
import { InputError } from '../../io/errors.ts'
import { integerFrom, listOf, numberWithin, oneOf, readName, readObject } from '../formats/read-json.ts'

/** A covariate of a fit. */
export interface ResidualCovariate {
  readonly name: string
  /** What its numbers mean: years, ml, T, ...; empty where nobody said. */
  readonly unit: string
  /** Its mean in the controls of the fit, which stands in where a scan's is missing and `missing` allows it. */
  readonly mean: number
  /** Its standard deviation there: coefficients belong to (value - mean) / deviation. */
  readonly deviation: number
  /** Lowest and highest there. */
  readonly range: readonly [number, number]
}

/** A covariate that was asked for and could not be fitted. */
export interface LeftOutCovariate {
  readonly name: string
  readonly unit: string
  /** constant: the same in all controls; collinear: those before it determine it. */
  readonly reason: 'constant' | 'collinear'
  /** Its mean in the controls. */
  readonly mean: number
}

/** All about a residualisation but its coefficients; part of a network's recipe. */
export interface ResidualRecipe {
  /** In the order of the coefficients, which begin with the intercept. */
  readonly covariates: readonly ResidualCovariate[]
  readonly leftOut: readonly LeftOutCovariate[]
  /** What becomes of a scan with a covariate missing: it is refused, or gets the mean of the controls. */
  readonly missing: 'refuse' | 'mean'
  /** Scans of the fit. */
  readonly controls: number
}

/** Coefficients [covariates + 1, ...shape of the input], voxels fastest; a voxel whose coefficients are all 0 is not used. */
export interface ResidualCoefficients {
  readonly shape: readonly number[]
  readonly data: Float32Array
}

export interface ResidualModel {
  readonly recipe: ResidualRecipe
  readonly coefficients: ResidualCoefficients
}

/** Covariates of one scan by name; missing ones absent, undefined or NaN. Units as the model's. */
export type ScanCovariates = Readonly<Record<string, number | undefined>>

/** Units of the covariates that readCovariates knows. */
const UNITS: Readonly<Record<string, string>> = {
  age: 'years',
  sex: '0 male, 1 female',
  tiv: 'ml',
  field_strength: 'T',
}

/** Unit of a covariate by its name; empty for a column that nobody knows. */
export function covariateUnit(name: string): string {
  return Object.hasOwn(UNITS, name) ? UNITS[name]! : ''
}

/** The covariates of one row of a table. */
export function scanCovariates({ names, values }: Covariates, row: number): ScanCovariates {
  return Object.fromEntries(names.map((name, c) => [name, values[row * names.length + c]]))
}

/** A value with its unit, for messages. */
function withUnit(value: number, unit: string): string {
  return `${Number(value.toPrecision(4))}${unit && ` ${unit.includes(',') ? `(${unit})` : unit}`}`
}

/**
 * A scan's input without what its covariates explain: x - (b0 + sum over covariates of b_j (value_j - mean_j) /
 * deviation_j), and 0 in voxels that were 0 in all controls of the fit. Host work, in float64: about 5 ms for a million
 * voxels and four covariates.
 * @param tensor the input as the recipe's other steps leave it, scaling included
 * @returns the residuals, and what the user should know: means that were used, values the controls never had
 * @throws InputError when a covariate is missing and the model does not allow it, or the sizes differ
 */
export function residualise(
  tensor: Float32Array,
  covariates: ScanCovariates,
  { recipe, coefficients }: ResidualModel,
): { tensor: Float32Array; notes: string[] } {
  const voxels = tensor.length
  const count = recipe.covariates.length + 1
  if (coefficients.data.length !== count * voxels) {
    const fitted = coefficients.data.length / count
    throw new InputError(`the residualisation was fitted for ${fitted} voxels, but the input has ${voxels}`)
  }
  const { scores, notes } = standardise(covariates, recipe)
  const { data } = coefficients
  const residuals = new Float32Array(voxels)
  for (let i = 0; i < voxels; i++) {
    let explained = data[i]!
    // A voxel that no control had anything in has the coefficients 0, and only such a one has.
    let used = explained !== 0
    for (let c = 1; c < count; c++) {
      const b = data[c * voxels + i]!
      explained += b * scores[c - 1]!
      used ||= b !== 0
    }
    if (used) residuals[i] = tensor[i]! - explained
  }
  return { tensor: residuals, notes }
}

/** 1 for every voxel that the model fits; the others are 0 in all residuals. */
export function usedVoxels({ coefficients }: ResidualModel): Uint8Array {
  const { data, shape } = coefficients
  const used = new Uint8Array(data.length / shape[0]!)
  for (let n = 0; n < data.length; n++) if (data[n] !== 0) used[n % used.length] = 1
  return used
}

/** (value - mean) / deviation of each covariate of the model. */
function standardise(covariates: ScanCovariates, recipe: ResidualRecipe): { scores: number[]; notes: string[] } {
  const given = (name: string): number | undefined => {
    const value = Object.hasOwn(covariates, name) ? covariates[name] : undefined
    if (value === undefined || Number.isNaN(value)) return undefined
    if (Number.isFinite(value)) return value
    throw new InputError(`the covariate ${name} is ${value}; give a finite number`)
  }
  const missing = recipe.covariates.filter(({ name }) => given(name) === undefined)
  if (missing.length > 0 && recipe.missing === 'refuse') {
    const named = missing.map(({ name, unit }) => `${name}${unit && ` (${unit})`}`).join(', ')
    throw new InputError(
      `the network needs covariates of each scan, and ${missing.length > 1 ? 'these are' : 'this one is'} missing: ${named}`,
    )
  }
  const notes: string[] = []
  const scores = recipe.covariates.map(({ name, unit, mean, deviation, range: [low, high] }) => {
    const value = given(name)
    if (value === undefined) {
      notes.push(`${name} is missing: the mean of the training controls, ${withUnit(mean, unit)}, was used`)
      return 0
    }
    if (value < low || value > high) {
      const controls = `${withUnit(low, '')} to ${withUnit(high, unit)}`
      notes.push(`${name} ${withUnit(value, '')} is outside of the training controls (${controls}): extrapolated`)
    }
    return (value - mean) / deviation
  })
  for (const { name, unit, mean, reason } of recipe.leftOut) {
    const value = given(name)
    if (reason !== 'constant' || value === undefined || Math.abs(value - mean) <= 1e-6 * Math.abs(mean)) continue
    notes.push(
      `${name} ${withUnit(value, unit)} cannot be corrected for: it was ${withUnit(mean, '')} in all training controls`,
    )
  }
  return { scores, notes }
}

/** Checks untrusted JSON. @throws InputError naming the value that is wrong */
export function readResidualRecipe(json: unknown): ResidualRecipe {
  const what = 'recipe.residual'
  const r = readObject(json, what)
  const number = numberWithin()
  const unit = (value: unknown, name: string) => (value === '' ? '' : readName(value, name))
  const covariates = listOf((value, name): ResidualCovariate => {
    const c = readObject(value, name)
    const deviation = number(c.deviation, `${name}.deviation`)
    if (deviation <= 0) throw new InputError(`${name}.deviation must be above 0, got ${deviation}`)
    return {
      name: readName(c.name, `${name}.name`),
      unit: unit(c.unit, `${name}.unit`),
      mean: number(c.mean, `${name}.mean`),
      deviation,
      range: listOf(number, 2)(c.range, `${name}.range`) as unknown as [number, number],
    }
  })(r.covariates, `${what}.covariates`)
  const leftOut = listOf((value, name): LeftOutCovariate => {
    const c = readObject(value, name)
    return {
      name: readName(c.name, `${name}.name`),
      unit: unit(c.unit, `${name}.unit`),
      reason: oneOf('constant', 'collinear')(c.reason, `${name}.reason`),
      mean: number(c.mean, `${name}.mean`),
    }
  })(r.leftOut, `${what}.leftOut`)
  const names = [...covariates, ...leftOut].map(({ name }) => name)
  const twice = names.find((name, n) => names.indexOf(name) !== n)
  if (twice) throw new InputError(`${what} names the covariate ${twice} twice`)
  return {
    covariates,
    leftOut,
    missing: oneOf('refuse', 'mean')(r.missing, `${what}.missing`),
    controls: integerFrom(1)(r.controls, `${what}.controls`),
  }
}
