/**
 * `npm run judge:phantom`: a phantom cohort, a network trained on it, and all methods judged against the atrophy that is
 * truly there, then by the randomisation of weights. Options: --out DIR (default demo), --voxel MM, --patients COUNT; what
 * follows -- goes to voxplain judge. A cohort and a network that are in the folder already, those of `npm run demo` among
 * them, are used again, and so is what was judged.
 *
 * Two comparisons with settings of their own, so that it ends: where the atrophy is, of all patients (DIR/judge), and what is
 * left of a map of reset networks, of the first of them, because that makes each method anew for each network
 * (DIR/judge-weights).
 */
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { main } from '../src/cli/main.ts'
import { closeGpu, openGpu } from '../src/engine/gpu.ts'
import { nodePlatform } from '../src/engine/platform.node.ts'
import { closePlatform, usePlatform } from '../src/engine/platform.ts'
import { readFileChecked, readVolumeFile, writeFileAtomic } from '../src/io/files.node.ts'
import { formatTsv, parseTsv } from '../src/io/tsv.ts'
import { initialise } from '../src/model/architectures.ts'
import { saveNetwork } from '../src/model/formats/format.ts'
import { applyRecipe } from '../src/model/recipe/recipe.ts'
import { type Samples, train } from '../src/model/training/train.ts'
import { phantomCohort } from '../src/phantom/cohort.ts'
import { writePhantom } from '../src/phantom/write.node.ts'
import { brainRecipe, CLASSES, demoNetwork } from './demo-network.ts'

const SEED = 1
/** Subjects to learn from, and to choose the best epoch by; patients after these are judged. */
const [TRAINING, VALIDATION] = [104, 16]
const CHANNELS = [4, 8, 16]
/** Patients whose maps are made of reset networks, too. */
const RESET = 2
const CHEAP = [
  'saliency',
  'inputXGradient',
  'ig:steps=10',
  'smoothGrad:samples=10',
  'smoothGradSquared:samples=10',
  'varGrad:samples=10',
  'guidedBackprop',
  'deconvolution',
  'gradCam',
  'guidedGradCam',
  'deepLift',
  'gradientShap:samples=10',
  'lrp:epsilonPlus',
  'lrp:epsilonAlpha2Beta1',
  'lrp:epsilonPlusFlat',
  'random',
  'scan',
]
const PERTURBING = ['mask', 'mask:resolution=2', 'occlusion:stride=16x16x16', 'rise:500']

const { values: flags, positionals } = parseArgs({
  options: {
    out: { type: 'string', default: 'demo' },
    voxel: { type: 'string', default: '4' },
    patients: { type: 'string', default: '8' },
  },
  allowPositionals: true,
})
const { out } = flags
const [voxelMm, patients] = [Number(flags.voxel), Number(flags.patients)]
const [cohort, network] = [join(out, 'phantom'), join(out, 'network.safetensors')]
const say = (text: string) => void process.stderr.write(`${text}\n`)

/** The cohort with more patients than are judged, and the table of these. */
async function prepare(): Promise<string> {
  const table = join(cohort, 'participants.tsv')
  const exists = await stat(table).catch(() => undefined)
  if (!exists) await writePhantom(cohort, { subjects: TRAINING + VALIDATION + 2 * patients, voxelMm, seed: SEED })
  const { columns, rows } = parseTsv(new TextDecoder().decode(await readFileChecked(table)), table)
  const judged = rows.slice(TRAINING + VALIDATION).filter(({ diagnosis }) => diagnosis === 'AD')
  if (judged.length === 0)
    throw new Error(`${table} has no patients after the first ${TRAINING + VALIDATION} rows; take another --out`)
  const file = join(cohort, 'held-out-patients.tsv')
  await writeFileAtomic(file, formatTsv(columns, judged.slice(0, patients)))
  return file
}

async function trainOnce(): Promise<void> {
  if (await stat(network).catch(() => undefined)) return say(`using ${network} again`)
  const { rows } = parseTsv(new TextDecoder().decode(await readFileChecked(join(cohort, 'participants.tsv'))))
  const recipe = brainRecipe(phantomCohort({ voxelMm, seed: SEED }).template, 2 ** CHANNELS.length)
  const description = demoNetwork(recipe, CHANNELS)
  const samples = (from: number, count: number): Samples => {
    const some = rows.slice(from, from + count)
    const load = async (k: number) => {
      return applyRecipe(recipe, await readVolumeFile(join(cohort, some[k]!.path!)), description.input).tensor
    }
    return { count, labels: some.map(({ diagnosis }) => CLASSES.indexOf(diagnosis!)), load }
  }
  usePlatform(nodePlatform)
  const gpu = await openGpu()
  try {
    const { network: trained, best } = await train(gpu, initialise(description, SEED), samples(0, TRAINING), {
      epochs: 5,
      batch: 4,
      learningRate: 2e-3,
      schedule: 'cosine',
      seed: SEED,
      validation: samples(TRAINING, VALIDATION),
      onEpoch: ({ epoch, loss }) => say(`epoch ${epoch}: loss ${loss.toFixed(3)}`),
    })
    say(`best epoch ${best.epoch}: validation loss ${best.validationLoss!.toFixed(3)}`)
    await writeFileAtomic(network, saveNetwork(trained))
  } finally {
    closeGpu(gpu)
    closePlatform()
  }
}

const table = await prepare()
await trainOnce()
const judge = (folder: string, methods: readonly string[], measures: string, ...more: string[]) => {
  const what = ['--method', methods.join(), '--measures', measures, '--out', join(out, folder)]
  return main(['judge', network, table, '--target', 'AD', ...what, ...more, ...positionals])
}
const truth = await judge('judge', [...CHEAP, ...PERTURBING], 'massAccuracy,rankAccuracy,truthAuc,pointing')
const weights = await judge('judge-weights', CHEAP, 'outputReset,complexityRise', '--limit', String(RESET))
process.exitCode = Math.max(truth, weights)
