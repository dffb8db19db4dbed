/** What the page's phantom networks are trained on and what the page shows: one cohort, told apart by subject number. */
import { brainRecipe, CLASSES, demoNetwork } from '../../scripts/demo-network.ts'
import type { Covariates } from '../../src/io/cohort/covariates.ts'
import type { Network, NetworkDescription } from '../../src/model/description.ts'
import { applyRecipe, type Recipe } from '../../src/model/recipe/recipe.ts'
import { withResidualModel } from '../../src/model/recipe/recipe-input.ts'
import type { ScanCovariates } from '../../src/model/recipe/residual.ts'
import { residualDesign } from '../../src/model/recipe/residual-design.ts'
import { fitResidual } from '../../src/model/recipe/residual-fit.ts'
import { type PhantomCohort, type PhantomParticipant, phantomCohort } from '../../src/phantom/cohort.ts'

export { CLASSES }

/** Subjects to learn from, to choose the best epoch by, and those that no network has seen: the page shows some of them. */
export const SPLIT = { training: 104, validation: 16, shown: 24 } as const
export const SEED = 1
const CHANNELS = [4, 8, 16]
const NAMES = ['age', 'sex', 'tiv']

export function cohort(): PhantomCohort {
  const subjects = SPLIT.training + SPLIT.validation + SPLIT.shown
  return phantomCohort({ subjects, voxelMm: 4, seed: SEED })
}

/** Numbers as residualisation takes them. */
export function covariatesOf({ age, sex, tiv_ml }: PhantomParticipant): ScanCovariates {
  return { age, sex: sex === 'F' ? 1 : 0, tiv: tiv_ml }
}

export function networkRecipe({ template }: PhantomCohort): Recipe {
  return brainRecipe(template, 2 ** CHANNELS.length)
}

export function describeNetwork(recipe: Recipe, name: string): NetworkDescription {
  return { ...demoNetwork(recipe, CHANNELS), name }
}

/** A network that takes residuals, with the coefficients of the training controls; scans are not scaled for it. */
export async function withResiduals(network: Network, people: PhantomCohort): Promise<Network> {
  const { recipe, input } = network.description
  const controls = [...Array(SPLIT.training).keys()].filter((n) => people.participant(n).diagnosis === CLASSES[0])
  const rows = controls.map((n) => covariatesOf(people.participant(n)))
  const values = Float64Array.from(rows.flatMap((row) => NAMES.map((name) => row[name]!)))
  const table: Covariates = { names: NAMES, columns: NAMES, values, faults: [], notes: [] }
  const design = residualDesign(table, [...controls.keys()])
  function* scans() {
    for (const n of controls) yield applyRecipe(recipe, people.subject(n).scan, input).tensor
  }
  return withResidualModel(network, await fitResidual(design, input, scans()))
}
