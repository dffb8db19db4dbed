/** A tiny network that takes residuals of age and sex. */
import { parseCohort } from '../../src/io/cohort/cohort.ts'
import { readCovariates } from '../../src/io/cohort/covariates.ts'
import type { Volume } from '../../src/io/volume.ts'
import type { Network, NetworkDescription } from '../../src/model/description.ts'
import { applyRecipe } from '../../src/model/recipe/recipe.ts'
import { withResidualModel } from '../../src/model/recipe/recipe-input.ts'
import { residualDesign } from '../../src/model/recipe/residual-design.ts'
import { fitResidual } from '../../src/model/recipe/residual-fit.ts'

/** Ages 60 to 79, a third of them women. */
const people = Array.from({ length: 20 }, (_, n) => `c${n}\t${60 + n}\t${n % 3 === 0 ? 'F' : 'M'}`)

/** The network with residuals that are fitted to 20 scans, which grow darker with age. */
export async function withResiduals(
  network: Network,
  scan: (seed: number) => Volume,
  missing: 'refuse' | 'mean' = 'refuse',
): Promise<Network> {
  const { recipe, input } = network.description as NetworkDescription
  const table = parseCohort(['participant_id\tage\tsex', ...people].join('\n'), {}, 'controls')
  const design = residualDesign(readCovariates(table, ['age', 'sex']), [...people.keys()], { missing })
  const tensors = people.map((_, n) => {
    const { tensor } = applyRecipe(recipe, scan(100 + n), input)
    return tensor.map((value) => value * (1 - 0.01 * n))
  })
  return withResidualModel(network, await fitResidual(design, input, tensors))
}
