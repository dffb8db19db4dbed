/**
 * Trains the two small networks that the viewer starts with, and writes them to viewer/data: one on intensities, one on
 * residuals (without the coefficients, which viewer:build fits again: they are larger than the network). Takes a few
 * minutes on a CPU; the files are kept in the repository because a build should not.
 */
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { closeGpu, openGpu } from '../src/engine/gpu.ts'
import { closePlatform } from '../src/engine/platform.ts'
import { makePredictor } from '../src/explain/predict.ts'
import { writeFileAtomic } from '../src/io/files.node.ts'
import { initialise } from '../src/model/architectures.ts'
import type { Network } from '../src/model/description.ts'
import { areaUnderRoc } from '../src/model/evaluation/metrics.ts'
import { saveNetwork } from '../src/model/formats/format.ts'
import { prepareInput } from '../src/model/recipe/recipe-input.ts'
import { inMemory, train } from '../src/model/training/train.ts'
import {
  CLASSES,
  cohort,
  covariatesOf,
  describeNetwork,
  networkRecipe,
  SEED,
  SPLIT,
  withResiduals,
} from '../viewer/data/recipe.ts'

const folder = fileURLToPath(new URL('../viewer/data', import.meta.url))
const only = process.argv[2]
const people = cohort()
const subjects = [...people.subjects()]
const recipe = networkRecipe(people)
const gpu = await openGpu()

async function fit(name: string, start: Network, learningRate: number): Promise<Network> {
  const samples = (from: number, to: number) => {
    const some = subjects.slice(from, to)
    const inputs = some.map(({ scan, participant }) => prepareInput(start, scan, covariatesOf(participant)).tensor)
    return inMemory(
      inputs,
      some.map(({ participant }) => CLASSES.indexOf(participant.diagnosis)),
    )
  }
  const seen = SPLIT.training + SPLIT.validation
  const result = await train(gpu, start, samples(0, SPLIT.training), {
    epochs: 6,
    batch: 4,
    learningRate,
    schedule: 'cosine',
    seed: SEED,
    validation: samples(SPLIT.training, seen),
    onEpoch: ({ epoch, loss, validationLoss }) => console.error(name, epoch, loss, validationLoss),
  })
  const predictor = await makePredictor(gpu, result.network)
  const scores: number[] = []
  for (const { scan, participant } of subjects.slice(seen)) {
    scores.push((await predictor.predict(scan, covariatesOf(participant))).probabilities[1]!)
  }
  predictor.destroy()
  const patients = subjects.slice(seen).map(({ participant }) => participant.diagnosis === CLASSES[1])
  console.error(`${name}: AUC ${areaUnderRoc(patients, scores).toFixed(3)} on ${scores.length} held-out people`)
  console.error(scores.map((score, n) => `${seen + n}:${patients[n] ? 'AD' : 'CN'}:${score.toFixed(2)}`).join(' '))
  return result.network
}

if (only !== 'residual') {
  const start = initialise(describeNetwork(recipe, 'phantom'), SEED)
  await writeFileAtomic(join(folder, 'phantom.safetensors'), saveNetwork(await fit('phantom', start, 2e-3)))
}
if (only !== 'plain') {
  const plain = describeNetwork({ ...recipe, scaling: 'none' }, 'phantom-residual')
  const start = await withResiduals(initialise(plain, SEED), people)
  const { weights } = await fit('phantom-residual', start, 2e-3)
  await writeFileAtomic(join(folder, 'phantom-residual.safetensors'), saveNetwork({ description: plain, weights }))
}
closeGpu(gpu)
closePlatform()
