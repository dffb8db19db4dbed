/** From a scan to what a network sees: its recipe, and the residuals of networks that take them. */
import { InputError } from '../../io/errors.ts'
import type { Volume } from '../../io/volume.ts'
import type { Network, Weight } from '../description.ts'
import { formatSizes } from '../layer-rules.ts'
import { applyRecipe, type Prepared, readRecipe } from './recipe.ts'
import { type ResidualModel, residualise, type ScanCovariates } from './residual.ts'

/** The residualisation of a network; undefined where it has none. @throws InputError when its coefficients are missing */
export function residualModel(network: Network): ResidualModel | undefined {
  const recipe = network.description.recipe.residual
  const coefficients = withResidual(network, network.residual).residual
  return recipe && coefficients && { recipe, coefficients }
}

/** A network that takes residuals: what it is trained on and sees later are those of the model. */
export function withResidualModel(network: Network, { recipe, coefficients }: ResidualModel): Network {
  const { description } = network
  // Read again for the order of its fields: equal networks give equal files.
  const whole = readRecipe({ ...description.recipe, residual: recipe })
  return withResidual({ ...network, description: { ...description, recipe: whole } }, coefficients)
}

/**
 * Puts a network and its coefficients together.
 * @throws InputError when they do not belong to each other, or a coefficient is not finite
 */
export function withResidual(network: Network, residual: Weight | undefined): Network {
  const { input, recipe } = network.description
  if (!recipe.residual && !residual) return network
  if (!recipe.residual) throw new InputError('it has coefficients of residuals, but its recipe takes none')
  const wanted = [recipe.residual.covariates.length + 1, ...input]
  if (!residual)
    throw new InputError(`its recipe takes residuals, but their coefficients ${formatSizes(wanted)} are missing`)
  if (residual.shape.length !== wanted.length || wanted.some((n, k) => n !== residual.shape[k])) {
    throw new InputError(
      `the coefficients of its residuals have the shape ${formatSizes(residual.shape)}, but its recipe and input need ${formatSizes(wanted)}`,
    )
  }
  const bad = residual.data.findIndex((v) => !Number.isFinite(v))
  if (bad >= 0) throw new InputError(`the coefficients of its residuals hold ${residual.data[bad]} at position ${bad}`)
  return { ...network, residual }
}

/** A scan as the network sees it. */
export interface PreparedInput extends Prepared {
  /** The same before what its covariates explain was taken off; only of networks that take residuals. */
  readonly plain?: Float32Array
}

/**
 * A scan as the network sees it.
 * @param covariates of the scan, for networks that take residuals; others pass over them
 * @throws InputError when the scan does not fit the recipe, or a covariate is missing that the recipe does not allow to be
 */
export function prepareInput(network: Network, scan: Volume, covariates: ScanCovariates = {}): PreparedInput {
  const { recipe, input } = network.description
  const { residual, ...plain } = recipe
  const prepared = applyRecipe(plain, scan, input)
  const model = residualModel(network)
  if (!model) return prepared
  const { tensor, notes } = residualise(prepared.tensor, covariates, model)
  return { ...prepared, tensor, plain: prepared.tensor, notes: [...prepared.notes, ...notes] }
}
