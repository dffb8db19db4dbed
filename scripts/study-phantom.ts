/**
 * `npm run study:robustness`: shows on a phantom cohort that the robustness study finds the atrophy that was planted, and
 * nothing where labels were shuffled. A cohort, two cross-validations, two studies, and what they have to show.
 *
 * Options: --out DIR (default study), --voxel MM (4), --subjects COUNT (60), --folds COUNT (5), --runs COUNT (3), --epochs COUNT
 * (8), --control (also with shuffled labels), --small (6 mm, 36 subjects, 3 folds, 2 runs).
 * What follows -- goes to the studies. Everything goes on where it was.
 */
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { parseTsv } from '../src/io/tsv.ts'
import { cohort, run, TRAINING, writeNetwork } from './steps.ts'

const { values: flags, positionals } = parseArgs({
  options: {
    out: { type: 'string', default: 'study' },
    voxel: { type: 'string' },
    subjects: { type: 'string' },
    folds: { type: 'string' },
    runs: { type: 'string' },
    epochs: { type: 'string', default: '8' },
    control: { type: 'boolean', default: false },
    small: { type: 'boolean', default: false },
  },
  allowPositionals: true,
})
const size = flags.small
  ? { voxel: '6', subjects: '36', folds: '3', runs: '2' }
  : { voxel: '4', subjects: '60', folds: '5', runs: '3' }
const { out, voxel = size.voxel, subjects = size.subjects, folds = size.folds, runs = size.runs, epochs } = flags
const SEED = '1'
/** Regions that most lose grey matter in the phantom's patients. */
const PLANTED = ['Hippocampus', 'Amygdala', 'ParaHippocampal']

/** Seconds that each step took. */
const took: { what: string; seconds: number }[] = []

async function step(what: string, ...argv: string[]): Promise<void> {
  took.push({ what, seconds: await run(...argv) })
}

const folder = join(out, 'phantom')
const table = await cohort(folder, '--subjects', subjects, '--voxel', voxel, '--seed', SEED)
const { layers, recipe } = await writeNetwork(out, Number(voxel))

interface Found {
  readonly top: readonly string[]
  readonly planted: readonly { readonly name: string; readonly folds: string }[]
  readonly results: Results
}

interface Results {
  readonly kinds: readonly { kind: string; probability: { mean: number }; similarity: { mean: number } }[]
  readonly truth?: { pearson: number; interval: readonly [number, number] }
}

/** A cross-validation and its study. */
async function study(name: string, ...more: string[]): Promise<Found> {
  const [cv, found] = [join(out, `cv${name}`), join(out, `robustness${name}`)]
  const again = existsSync(join(cv, 'study.json')) ? ['--resume'] : []
  const built = ['--architecture', layers, '--recipe', recipe, '--seed', SEED]
  const loop = ['--folds', folds, '--runs', runs, '--epochs', epochs, ...TRAINING, '--draws', '200']
  await step(`training${name}`, 'cv', table, '--out', cv, ...built, ...loop, ...more, ...again)
  const atlas = join(folder, 'atlas-phantom_space-MNI152_dseg.nii.gz')
  const sized = ['--iterations', '40', '--starts', '2']
  const asked = ['--networks', cv, '--atlas', atlas, '--merge-sides', '--out', found, ...sized, ...positionals]
  await step(`study${name}`, 'study', 'robustness', table, ...asked)
  const { rows } = parseTsv(await readFile(join(found, 'regions.tsv'), 'utf8'))
  return {
    top: rows.slice(0, 6).map(({ region }) => region!),
    planted: PLANTED.map((planted) => {
      const row = rows.find(({ region }) => region === planted)
      return { name: planted, folds: `rank ${row?.rank}, in the first 10 of ${row?.top_folds} folds` }
    }),
    results: JSON.parse(await readFile(join(found, 'results.json'), 'utf8')),
  }
}

function tell(name: string, { top, planted, results }: Found): void {
  const say = (text: string) => void process.stdout.write(`${text}\n`)
  say(`\n${name}`)
  say(`  first regions: ${top.join(', ')}`)
  for (const { name: region, folds: text } of planted) say(`  ${region}: ${text}`)
  for (const { kind, probability, similarity } of results.kinds) {
    say(`  ${kind}: prob_CNN ${probability.mean.toFixed(3)}, ROI similarity ${similarity.mean?.toFixed(3) ?? '-'}`)
  }
  const { truth } = results
  if (truth)
    say(
      `  region density against planted atrophy: r ${truth.pearson.toFixed(3)} (${truth.interval?.map((v) => v.toFixed(3)).join(' to ')})`,
    )
}

const found = await study('')
const control = flags.control ? await study('_shuffled', '--shuffle-labels', '7') : undefined
tell('true labels', found)
if (control) tell('shuffled labels', control)
process.stdout.write(`\n${took.map(({ what, seconds }) => `${what} ${seconds.toFixed(0)} s`).join(', ')}\n`)
