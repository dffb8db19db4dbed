/** The published VisualAiD networks on two real grey-matter volumes (not part of the repository). */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { compile } from '../src/engine/compile.ts'
import { release } from '../src/engine/gpu.ts'
import { readVolume } from '../src/io/nifti.ts'
import { buildNetwork } from '../src/model/build.ts'
import { loadNetwork } from '../src/model/formats/format.ts'
import { applyRecipe, builtinRecipes } from '../src/model/recipe/recipe.ts'
import { summarise } from '../src/model/summary.ts'
import { loadData, skip } from './support/data.ts'
import { assertClose, closeTestGpu, testGpu } from './support/evaluate.ts'

const test = suite('VisualAiD')
test.after(closeTestGpu)

/** Logits (CN, AD) of alexnet3d_cv8.hdf5 by an independent float64 implementation. */
const reference: Record<string, number[]> = {
  'icbm152_gm_193x229x193.nii.gz': [-0.2640963, -0.9713143],
  'icbm152_gm_193x229x193_atrophy.nii.gz': [-0.9156755, -0.1045828],
}

test("the AlexNet gives the reference's probabilities on both volumes", async () => {
  const file = await loadData('visualaid/alexnet3d_cv8.hdf5')
  if (!file) return skip('data visualaid/alexnet3d_cv8.hdf5 is missing')
  const network = loadNetwork(file, { recipe: builtinRecipes.visualaid })
  const { recipe, input } = network.description
  const gpu = await testGpu()
  const built = buildNetwork(network)
  const program = await compile(gpu, { l: built.logits, p: built.probabilities }, { frozen: true })
  for (const [name, logits] of Object.entries(reference)) {
    const bytes = await loadData(`template/${name}`)
    if (!bytes) return skip(`data template/${name} is missing`)
    const { tensor, nonFinite, notes } = applyRecipe(recipe, readVolume(bytes), input)
    assert.equal([nonFinite, notes], [0, []])
    program.write(built.input, tensor)
    program.run()
    assertClose(await program.read(built.logits), logits, `${name} logits`, { relative: 1e-4, absolute: 0 })
    const ad = 1 / (1 + Math.exp(logits[0]! - logits[1]!))
    assertClose(await program.read(built.probabilities), [1 - ad, ad], `${name} P`, { relative: 0, absolute: 1e-4 })
  }
  program.destroy()
  release(gpu, [...built.parameters.values()])
})

test('the ResNet (functional, with broadcasting adds) loads with the published sizes', async () => {
  const file = await loadData('visualaid/resnet3d_cv8.hdf5')
  if (!file) return skip('data visualaid/resnet3d_cv8.hdf5 is missing')
  const network = loadNetwork(file, { recipe: builtinRecipes.visualaid })
  const { layers } = summarise(network)
  assert.equal(layers.find((l) => l.name === 'add_17')!.shape, [5, 89, 84, 104])
  assert.equal(layers.find((l) => l.type === 'flatten')!.shape, [7150])
  assert.equal(layers.at(-1)!.shape, [2])
})

test.run()
