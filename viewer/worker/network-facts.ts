/** What the page needs to know about a network. */
import { classCount, layerShapes, type Network } from '../../src/model/description.ts'
import type { Recipe } from '../../src/model/recipe/recipe-read.ts'
import type { ResidualCovariate } from '../../src/model/recipe/residual.ts'

export interface NetworkFacts {
  readonly name: string
  /** [C, D, H, W]. */
  readonly input: readonly number[]
  readonly classes: readonly string[]
  readonly layers: number
  readonly parameters: number
  readonly recipe: string
  /** Of the scans it takes, where the recipe says so. */
  readonly grid?: Recipe['grid']
  /** What it asks about a person, where it takes residuals. */
  readonly covariates: readonly ResidualCovariate[]
  /** Whether it does with the mean for those that are missing. */
  readonly covariatesOptional: boolean
}

export function networkFacts({ description }: Network): NetworkFacts {
  const { name, input, recipe } = description
  const shapes = layerShapes(description)
  return {
    name,
    input,
    classes: recipe.classes.slice(0, classCount(description)),
    layers: shapes.length,
    parameters: shapes.reduce((sum, { parameters }) => sum + parameters, 0),
    recipe: recipe.name,
    ...(recipe.grid && { grid: recipe.grid }),
    covariates: recipe.residual?.covariates ?? [],
    covariatesOptional: recipe.residual?.missing === 'mean',
  }
}
