/** What is left of numbers of people, as the volume of a region, after their covariates: least squares in float64. */
import type { Covariates } from '../../io/cohort/covariates.ts'
import { residualDesign } from '../../model/recipe/residual-design.ts'

export interface Residuals {
  /** Of each row; NaN where a covariate is missing. */
  readonly values: Float64Array
  /** Covariates that were taken off. */
  readonly names: readonly string[]
  /** What the user should know: covariates that were left out, few controls. */
  readonly notes: readonly string[]
}

/**
 * Values minus what the covariates explain of them in controls, applied to everybody, as Dyrba et al. 2021 did with volumes: age
 * is then not taken for disease where patients are older. The constant is taken off, too: 0 is what a control of the same
 * covariates has on average.
 * @param controls rows of the fit; those with a missing covariate take no part
 * @throws InputError for too few controls
 */
export function normativeResiduals(
  values: ArrayLike<number>,
  covariates: Covariates,
  controls: readonly number[],
): Residuals {
  const { names } = covariates
  const complete = (row: number) => names.every((_, c) => !Number.isNaN(covariates.values[row * names.length + c]!))
  const used = controls.filter(complete)
  const { recipe, basis, triangle, notes } = residualDesign(covariates, used)
  const weights = basis.map((q) => q.reduce((sum, share, n) => sum + share * values[used[n]!]!, 0))
  // From Q'y to the coefficients: R b = Q'y from the last one up.
  for (let j = weights.length - 1; j >= 0; j--) {
    weights[j]! /= triangle[j]![j]!
    for (let k = 0; k < j; k++) weights[k]! -= triangle[j]![k]! * weights[j]!
  }
  const places = recipe.covariates.map(({ name }) => names.indexOf(name))
  return {
    values: Float64Array.from(values, (value, row) => {
      if (!complete(row)) return Number.NaN
      const explained = recipe.covariates.reduce((sum, { mean, deviation }, k) => {
        const own = covariates.values[row * names.length + places[k]!]!
        return sum + (weights[k + 1]! * (own - mean)) / deviation
      }, weights[0]!)
      return value - explained
    }),
    names: recipe.covariates.map(({ name }) => name),
    notes,
  }
}

/** Below this share of a column's length, what is left of it is rounding: it follows from those before. */
const DEPENDENT = 1e-9

/**
 * What is left of lists after least squares on a constant and on columns, which are made orthonormal (Gram-Schmidt, twice).
 * @returns the residuals, and how many columns were more than a combination of others
 */
export function leastSquares(
  lists: readonly ArrayLike<number>[],
  columns: readonly ArrayLike<number>[],
): { residuals: Float64Array[]; columns: number } {
  const count = lists[0]!.length
  const basis: Float64Array[] = []
  const without = (values: ArrayLike<number>) => {
    const rest = Float64Array.from(values)
    for (let pass = 0; pass < 2; pass++) {
      for (const q of basis) {
        const part = q.reduce((sum, share, n) => sum + share * rest[n]!, 0)
        for (let n = 0; n < count; n++) rest[n]! -= part * q[n]!
      }
    }
    return rest
  }
  for (const column of [new Float64Array(count).fill(1), ...columns]) {
    const rest = without(column)
    const length = Math.hypot(...rest)
    if (length > DEPENDENT * Math.hypot(...Array.from(column))) basis.push(rest.map((value) => value / length))
  }
  const residuals = lists.map((list) => {
    const rest = without(list)
    const size = Math.hypot(...Array.from(list))
    // What is explained altogether leaves rounding, which is no variance.
    return Math.hypot(...rest) > DEPENDENT * size ? rest : rest.fill(0)
  })
  return { residuals, columns: basis.length - 1 }
}
