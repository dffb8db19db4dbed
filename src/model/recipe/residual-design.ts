/**
 * The covariates of a fit as an orthonormal basis. Covariates are known before any scan is read, so the small matrix is
 * factored first (X = Q R), and each voxel needs only its sums Q'y: as accurate as a QR solve of each voxel, in one pass.
 */
import { type Covariates, covariateMeans, fillCovariates } from '../../io/cohort/covariates.ts'
import { InputError } from '../../io/errors.ts'
import { covariateUnit, type LeftOutCovariate, type ResidualCovariate, type ResidualRecipe } from './residual.ts'

export interface ResidualDesign {
  readonly recipe: ResidualRecipe
  /** Q by columns, orthonormal, one number a control each; the first is the intercept's. */
  readonly basis: readonly Float64Array[]
  /** R by columns: the first j + 1 numbers of column j, below which it is 0. */
  readonly triangle: readonly Float64Array[]
  /** What the user should know: covariates that were left out or filled in, few controls. */
  readonly notes: readonly string[]
}

export interface ResidualOptions {
  /** What becomes of a missing covariate, in the fit and in later scans: refused (default), or the mean of the controls. */
  missing?: 'refuse' | 'mean'
}

/** Fewest controls for each coefficient; with fewer, noise of the fit goes into every residual. */
const FEWEST = 2
/** Below this many for each coefficient there is a note. */
const FEW = 10
/** A column is taken for a combination of those before it when less than this share of it is left. */
const DEPENDENT = 1e-6

/**
 * Prepares a fit of x ~ 1 + covariates.
 * @param controls rows of the training controls: nobody else may be among them, or the fit takes the disease off, too
 * @throws InputError for covariates that are missing and may not be, or are no numbers, and for too few controls
 */
export function residualDesign(
  covariates: Covariates,
  controls: readonly number[],
  { missing = 'refuse' }: ResidualOptions = {},
): ResidualDesign {
  const { names } = covariates
  refuseFaults(covariates, controls, missing)
  const notes: string[] = []
  const filled =
    controls.length > 0 ? fillCovariates(covariates, covariateMeans(covariates, controls)) : new Float64Array()
  const basis: Float64Array[] = []
  const triangle: Float64Array[] = []
  const kept: ResidualCovariate[] = []
  const leftOut: LeftOutCovariate[] = []
  const addColumn = (column: Float64Array): boolean => {
    const { rest, parts } = orthogonalise(column, basis)
    const length = norm(rest)
    if (length <= DEPENDENT * norm(column)) return false
    basis.push(rest.map((v) => v / length))
    triangle.push(Float64Array.of(...parts, length))
    return true
  }
  addColumn(new Float64Array(controls.length).fill(1))
  names.forEach((name, c) => {
    const values = Float64Array.from(controls, (row) => filled[row * names.length + c]!)
    const unit = covariateUnit(name)
    const mean = values.reduce((a, b) => a + b, 0) / values.length
    const deviation = norm(values.map((v) => v - mean)) / Math.sqrt(values.length)
    const absent = controls.filter((row) => Number.isNaN(covariates.values[row * names.length + c])).length
    if (absent > 0) notes.push(`${name} is missing in ${absent} of ${controls.length} controls: their mean was used`)
    if (!(deviation > 1e-9 * Math.abs(mean))) {
      leftOut.push({ name, unit, reason: 'constant', mean })
      notes.push(`${name} is ${mean} in all ${controls.length} controls, so it was left out of the residualisation`)
    } else if (addColumn(values.map((v) => (v - mean) / deviation))) {
      kept.push({ name, unit, mean, deviation, range: [Math.min(...values), Math.max(...values)] })
    } else {
      leftOut.push({ name, unit, reason: 'collinear', mean })
      const others = kept.map((k) => k.name).join(', ')
      notes.push(`${name} follows from ${others} in all controls, so it was left out of the residualisation`)
    }
  })
  const columns = kept.length + 1
  if (controls.length < FEWEST * columns) {
    throw new InputError(
      `${controls.length} training controls are too few for residualisation by ${kept.map((k) => k.name).join(', ') || 'a mean'}: ` +
        `at least ${FEWEST * columns} are needed; name fewer covariates or more controls`,
    )
  }
  if (controls.length < FEW * columns) {
    notes.push(
      `only ${controls.length} controls for ${columns} coefficients a voxel: their noise stays in the residuals`,
    )
  }
  return { recipe: { covariates: kept, leftOut, missing, controls: controls.length }, basis, triangle, notes }
}

function refuseFaults(covariates: Covariates, controls: readonly number[], missing: 'refuse' | 'mean'): void {
  const rows = new Set(controls)
  if (rows.size < controls.length) throw new InputError('a row is named twice among the training controls')
  const faults = covariates.faults.filter((f) => rows.has(f.row) && (missing === 'refuse' || f.kind === 'invalid'))
  if (faults.length === 0) return
  const shown = faults.slice(0, 5).map(({ row, detail }) => `row ${row + 1}: ${detail}`)
  const more = faults.length > shown.length ? ` and ${faults.length - shown.length} more` : ''
  throw new InputError(`the training controls lack covariates: ${shown.join('; ')}${more}`)
}

function norm(values: Float64Array): number {
  return Math.sqrt(values.reduce((sum, v) => sum + v * v, 0))
}

/** Gram-Schmidt, twice, which is enough for orthogonality to rounding (Giraud et al. 2005). */
function orthogonalise(column: Float64Array, basis: readonly Float64Array[]) {
  const rest = Float64Array.from(column)
  const parts = new Float64Array(basis.length)
  for (let pass = 0; pass < 2; pass++) {
    basis.forEach((q, k) => {
      const part = q.reduce((sum, v, n) => sum + v * rest[n]!, 0)
      parts[k] = parts[k]! + part
      for (let n = 0; n < rest.length; n++) rest[n] = rest[n]! - part * q[n]!
    })
  }
  return { rest, parts }
}
