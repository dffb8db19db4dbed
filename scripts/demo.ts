/**
 * `npm run demo`: a phantom cohort, a network trained on it, masks that explain it, and a page that shows how well they
 * meet the truth. Options: --out DIR (default demo), --quick (small and coarse, to see that everything works).
 */
import { mkdir } from 'node:fs/promises'
import { join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { closeGpu, type Gpu, openGpu } from '../src/engine/gpu.ts'
import { closePlatform } from '../src/engine/platform.ts'
import { type Explanation, explainGroup, explainScan } from '../src/explain/explain.ts'
import type { MaskOptions } from '../src/explain/mask.ts'
import { makePredictor } from '../src/explain/predict.ts'
import { readFileChecked, readVolumeFile, writeFileAtomic } from '../src/io/files.node.ts'
import { encodePng, montage } from '../src/io/montage.ts'
import { writeVolume } from '../src/io/nifti.ts'
import { formatTsv } from '../src/io/tsv.ts'
import type { Volume } from '../src/io/volume.ts'
import { initialise } from '../src/model/architectures.ts'
import type { Network } from '../src/model/description.ts'
import { areaUnderRoc, argmax, balancedAccuracy, confusionMatrix } from '../src/model/evaluation/metrics.ts'
import { loadNetwork, saveNetwork } from '../src/model/formats/format.ts'
import { applyRecipe } from '../src/model/recipe/recipe.ts'
import {
  type EpochReport,
  inMemory,
  type Samples,
  type TrainOptions,
  type TrainResult,
  train,
} from '../src/model/training/train.ts'
import { phantomCohort } from '../src/phantom/cohort.ts'
import { type PhantomRow, writePhantom } from '../src/phantom/write.node.ts'
import { concentration, meanVolume, regionDensities, timesChance } from './demo-measure.ts'
import { brainRecipe, CLASSES, demoNetwork } from './demo-network.ts'
import { demoPage, type MaskReport } from './demo-page.ts'

interface Size {
  readonly voxelMm: number
  /** Subjects to learn from, to choose the best epoch by, and to judge by. */
  readonly split: readonly [training: number, validation: number, heldOut: number]
  readonly channels: readonly number[]
  readonly training: TrainOptions
  readonly mask: MaskOptions
  readonly individual: number
  readonly group: { readonly patients: number; readonly iterations: number }
}

const SEED = 1

const FULL: Size = {
  voxelMm: 4,
  split: [104, 16, 24],
  channels: [4, 8, 16],
  training: { epochs: 5, batch: 4, learningRate: 2e-3, schedule: 'cosine', seed: SEED },
  mask: { iterations: 50, resolution: 2, lambda1: 20, lambda2: 2, jitter: 1 },
  individual: 2,
  group: { patients: 6, iterations: 35 },
}

const QUICK: Size = {
  voxelMm: 8,
  split: [6, 2, 4],
  channels: [3, 4],
  training: { epochs: 2, batch: 4, learningRate: 1e-2, seed: SEED },
  mask: { iterations: 4, resolution: 2 },
  individual: 2,
  group: { patients: 2, iterations: 4 },
}

/** Slices through the medial temporal lobes, and some beyond, in mm. */
const POSITIONS = { axial: [-28, -20, -12, 28], coronal: [-64, -32, -20, -8], sagittal: [-44, -24, 24, 44] }
const PICTURE = { positions: POSITIONS, width: 720 }

interface Person {
  readonly row: PhantomRow
  readonly scan: Volume
  readonly atrophy: Volume
  readonly label: number
}

const say = (text: string) => process.stdout.write(`${text}\n`)
const percent = (share: number) => `${(100 * share).toFixed(0)} %`
const two = (value: number) => value.toFixed(2)

const { values: flags } = parseArgs({
  options: { out: { type: 'string', default: 'demo' }, quick: { type: 'boolean' } },
})
const size = flags.quick ? QUICK : FULL
const out = resolve(flags.out)
const began = performance.now()
const phases: { name: string; seconds: number }[] = []

/** On a terminal: what is going on, on a line that the phase's own replaces. */
function progress(name: string, text: string): void {
  if (process.stdout.isTTY) process.stdout.write(`\r\x1b[K  ${name.padEnd(18)}     ...   ${text}`)
}

function stepProgress(name: string): NonNullable<MaskOptions['onProgress']> {
  return ({ iteration, iterations, score }) => progress(name, `step ${iteration} of ${iterations}, P(AD) ${two(score)}`)
}

/** Runs a phase and says how long it took. */
async function phase<T>(name: string, run: () => Promise<{ result: T; note: string }>): Promise<T> {
  const start = performance.now()
  progress(name, '')
  const { result, note } = await run()
  const seconds = (performance.now() - start) / 1000
  phases.push({ name, seconds })
  if (process.stdout.isTTY) process.stdout.write('\r\x1b[K')
  say(`  ${name.padEnd(18)}${`${seconds.toFixed(1)} s`.padStart(8)}   ${note}`)
  return result
}

async function makeCohort(): Promise<Person[]> {
  const subjects = size.split.reduce((a, b) => a + b, 0)
  const folder = join(out, 'phantom')
  const onProgress = (done: number) => progress('phantom cohort', `${done} of ${subjects}`)
  const rows = await writePhantom(folder, { subjects, voxelMm: size.voxelMm, seed: SEED, onProgress })
  const people: Person[] = []
  for (const row of rows) {
    const [scan, atrophy] = [join(folder, row.path), join(folder, row.atrophy_path)]
    const label = CLASSES.indexOf(row.diagnosis)
    people.push({ row, scan: await readVolumeFile(scan), atrophy: await readVolumeFile(atrophy), label })
  }
  return people
}

async function trainNetwork(gpu: Gpu, start: Network, training: Samples, validation: Samples): Promise<TrainResult> {
  const { epochs } = size.training
  const onEpoch = ({ epoch, loss }: EpochReport) =>
    progress('training', `epoch ${epoch} of ${epochs}, loss ${loss.toFixed(3)}`)
  const result = await train(gpu, start, training, { ...size.training, validation, onEpoch })
  const path = join(out, 'network.safetensors')
  await writeFileAtomic(path, saveNetwork(result.network))
  // From here on everything uses the file, as a user would.
  return { ...result, network: loadNetwork(await readFileChecked(path), { name: path }) }
}

async function predictAll(gpu: Gpu, network: Network, people: readonly Person[]) {
  const predictor = await makePredictor(gpu, network)
  const patient: number[] = []
  for (const { scan } of people) patient.push((await predictor.predict(scan)).probabilities[1]!)
  predictor.destroy()
  const predicted = patient.map((p) => argmax([1 - p, p]))
  const rows = people.map(({ row, label }, n) => ({
    participant_id: row.participant_id,
    true_label: CLASSES[label]!,
    predicted_label: CLASSES[predicted[n]!]!,
    proba_AD: patient[n]!,
  }))
  await writeFileAtomic(join(out, 'predictions.tsv'), formatTsv(Object.keys(rows[0]!), rows))
  const labels = people.map(({ label }) => label)
  const matrix = confusionMatrix(labels, predicted, CLASSES.length)
  const auc = areaUnderRoc(
    labels.map((label) => label === 1),
    patient,
  )
  return { patient, matrix, balancedAccuracy: balancedAccuracy(matrix), auc }
}

/** Writes the map and its pictures, and measures it. */
async function report(
  name: string,
  title: string,
  explanation: Explanation,
  people: readonly Person[],
  template: { atlas: Volume; labels: readonly { index: number; name: string }[] },
): Promise<MaskReport> {
  const { map, result } = explanation
  const scan = people.length > 1 ? meanVolume(people.map((p) => p.scan)) : people[0]!.scan
  const atrophy = people.length > 1 ? meanVolume(people.map((p) => p.atrophy)) : people[0]!.atrophy
  const maskPng = encodePng(
    montage(scan, map, { ...PICTURE, title: 'What the mask fills in', label: '1 - m', max: 1, threshold: 0.1 }),
  )
  const truthPng = encodePng(
    montage(scan, atrophy, { ...PICTURE, title: 'Grey matter truly lost', label: 'lost', threshold: 0.04 }),
  )
  const stem = join(out, 'masks', name)
  await writeFileAtomic(`${stem}_desc-mask_relevance.nii.gz`, writeVolume(map, { gzip: true }))
  await writeFileAtomic(`${stem}_desc-mask_relevance.png`, maskPng)
  await writeFileAtomic(`${stem}_desc-atrophy_truth.png`, truthPng)
  const mean = (values: readonly Float32Array[]) => values.reduce((sum, p) => sum + p[1]!, 0) / values.length
  return {
    title,
    subjects: people.map(({ row }) => row),
    maskPng,
    truthPng,
    before: mean(result.before),
    after: mean(result.after),
    ...concentration(map, scan, atrophy),
    regions: regionDensities(map, scan, atrophy, template.atlas, template.labels),
    result,
  }
}

async function demo(gpu: Gpu): Promise<void> {
  await mkdir(join(out, 'masks'), { recursive: true })
  say(`\nvoxplain demo on ${gpu.name}${flags.quick ? ', quick' : ''}\n`)
  const people = await phase('phantom cohort', async () => {
    const result = await makeCohort()
    return { result, note: `${result.length} made-up people, voxels of ${size.voxelMm} mm` }
  })
  const template = phantomCohort({ voxelMm: size.voxelMm, seed: SEED })
  const recipe = brainRecipe(template.template, 2 ** size.channels.length)
  const description = demoNetwork(recipe, size.channels)
  const [forTraining, forValidation] = size.split
  const samples = (some: readonly Person[]): Samples =>
    inMemory(
      some.map(({ scan }) => applyRecipe(recipe, scan, description.input).tensor),
      some.map(({ label }) => label),
    )
  const heldOut = people.slice(forTraining + forValidation)
  const trained = await phase('training', async () => {
    const validation = samples(people.slice(forTraining, forTraining + forValidation))
    const result = await trainNetwork(
      gpu,
      initialise(description, SEED),
      samples(people.slice(0, forTraining)),
      validation,
    )
    const { history, best } = result
    return {
      result,
      note: `${history.length} epochs of ${forTraining}; best: ${best.epoch}, validation loss ${best.validationLoss!.toFixed(3)}`,
    }
  })
  const tested = await phase('prediction', async () => {
    const result = await predictAll(gpu, trained.network, heldOut)
    const scores = `balanced accuracy ${two(result.balancedAccuracy)}, AUC ${two(result.auc)}`
    return { result, note: `${heldOut.length} held-out people: ${scores}` }
  })

  // Patients whom the network recognised; the others follow, so that there always are some.
  const recognised = (n: number) => tested.patient[n]! > 0.5
  const patients = [...heldOut.keys()].filter((n) => heldOut[n]!.label === 1)
  const chosen = [...patients.filter(recognised), ...patients.filter((n) => !recognised(n))].map((n) => heldOut[n]!)
  const options: MaskOptions = { ...size.mask, target: 1 }
  const masks: MaskReport[] = []
  const summary = (mask: MaskReport) =>
    `P(AD) ${two(mask.before)} -> ${two(mask.after)}, ${percent(mask.inside)} of the mask where grey matter was lost ` +
    `(${timesChance(mask)} chance)`
  for (const person of chosen.slice(0, size.individual)) {
    const id = person.row.participant_id
    await phase(`mask of ${id}`, async () => {
      const onProgress = stepProgress(`mask of ${id}`)
      const explanation = await explainScan(gpu, trained.network, person.scan, { ...options, onProgress })
      const result = await report(id, `One patient: ${id}`, explanation, [person], template)
      masks.push(result)
      return { result, note: summary(result) }
    })
  }
  await phase('group mask', async () => {
    const group = chosen.slice(0, size.group.patients)
    const explanation = await explainGroup(
      gpu,
      trained.network,
      group.map(({ scan }) => scan),
      { ...options, iterations: size.group.iterations, onProgress: stepProgress('group mask') },
    )
    const result = await report('group', `One mask for ${group.length} patients`, explanation, group, template)
    masks.push(result)
    return { result, note: summary(result) }
  })

  const seconds = (performance.now() - began) / 1000
  const file = join(out, 'index.html')
  const page = demoPage({ gpu: gpu.name, size, trained, tested, heldOut: heldOut.length, masks, phases, seconds })
  await writeFileAtomic(file, page)
  say(`\n  ${seconds.toFixed(0)} s in all. Open ${relative(fileURLToPath(new URL('..', import.meta.url)), file)}\n`)
}

const gpu = await openGpu()
try {
  await demo(gpu)
} finally {
  closeGpu(gpu)
  closePlatform()
}
