/**
 * `npm run study:cv`: shows on phantoms that `voxplain cv` finds a disease where there is one, nothing where there is none, and
 * that residualisation takes an age difference away. Four studies by the command line, each in a folder of its own, and what
 * they have to show. `--voxel 12` takes minutes on a CPU, the default 4 mm a GPU (or a night). Studies go on where they were.
 */
import { access, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { main } from '../src/cli/main.ts'
import { parseTsv } from '../src/io/tsv.ts'
import { phantomCohort } from '../src/phantom/cohort.ts'
import { brainRecipe } from './demo-network.ts'

const { values } = parseArgs({
  options: { out: { type: 'string', default: 'study' }, voxel: { type: 'string', default: '4' } },
})
const { out, voxel } = values

/** Age is a matter of the whole brain: coarse voxels and a small network do, and many controls are affordable. */
const AGE_VOXEL = '16'
const AGE_NETWORK = {
  name: 'age_net',
  layers: [
    { type: 'avgPool3d', name: 'coarse', kernel: 2, stride: 2 },
    { type: 'conv3d', name: 'conv', channels: 8, kernel: 3, padding: 1 },
    { type: 'batchNorm', name: 'norm' },
    { type: 'leakyRelu', name: 'relu', slope: 0.01 },
    { type: 'maxPool3d', name: 'pool', kernel: 2, stride: 2 },
    { type: 'flatten', name: 'flatten' },
    { type: 'dropout', name: 'dropout', rate: 'dropout' },
    { type: 'dense', name: 'output', units: 'classes' },
  ],
}

async function run(...argv: string[]): Promise<void> {
  process.stderr.write(`\n$ voxplain ${argv.join(' ')}\n`)
  if ((await main(argv)) !== 0) throw new Error(`voxplain ${argv[0]} failed`)
}

const exists = (path: string) =>
  access(path).then(
    () => true,
    () => false,
  )

/** A phantom cohort, made once. @returns its table */
async function cohort(name: string, ...options: string[]): Promise<string> {
  const folder = join(out, 'cohorts', name)
  const table = join(folder, 'participants.tsv')
  if (!(await exists(table))) await run('phantom', '--out', folder, ...options)
  return table
}

/** A study, begun or gone on with. @returns mean AUC by cohort and contrast */
async function study(name: string, table: string, ...options: string[]): Promise<(key: string) => number> {
  const folder = join(out, name)
  const again = (await exists(join(folder, 'study.json'))) ? ['--resume'] : []
  await run('cv', table, '--out', folder, ...options, ...again)
  const { rows } = parseTsv(await readFile(join(folder, 'summary.tsv'), 'utf8'))
  return (key) => {
    const row = rows.find((own) => own.metric === 'auc' && `${own.cohort}, ${own.contrast}` === key)
    if (!row) throw new Error(`${name} has no AUC of ${key}`)
    return Number(row.mean)
  }
}

const findings: { what: string; auc: number; wanted: string; good: boolean }[] = []
function expect(what: string, auc: number, low: number, high: number): void {
  const wanted = high >= 1 ? `>= ${low.toFixed(3)}` : `${low.toFixed(3)} to ${high.toFixed(3)}`
  findings.push({ what, auc, wanted, good: auc >= low && auc <= high })
}

await mkdir(out, { recursive: true })
const groups = ['--groups', 'CN,MCI,AD', '--voxel', voxel]
const table = await cohort('study', '--subjects', '120', '--seed', '1', ...groups)
const others = {
  soft: await cohort('soft', '--subjects', '60', '--seed', '2', '--blur', '1', '--noise', '0.06', ...groups),
  bright: await cohort('bright', '--subjects', '60', '--seed', '3', '--gamma', '0.8', ...groups),
}
const recipe = join(out, 'recipe.json')
const template = phantomCohort({ voxelMm: Number(voxel), subjects: 1 }).template
await writeFile(recipe, `${JSON.stringify(brainRecipe(template, 8), null, 2)}\n`)
const disease = [
  '--train-classes',
  'CN,AD',
  '--recipe',
  recipe,
  '--folds',
  '5',
  '--epochs',
  '20',
  '--batch',
  '8',
].concat(
  ['--learning-rate', '2e-3', '--schedule', 'cosine'],
  Object.entries(others).flatMap(([name, file]) => ['--cohort', `${name}=${file}`]),
)
const found = await study('disease', table, ...disease)
expect('AD vs CN, validation folds', found('validation, AD vs CN'), 0.95, 1)
for (const name of ['validation', 'soft', 'bright']) {
  const ad = found(`${name}, AD vs CN`)
  if (name !== 'validation') expect(`AD vs CN, ${name} scanner`, ad, 0.85, 1)
  expect(`MCI vs CN, ${name}: above chance, below AD`, found(`${name}, MCI vs CN`), 0.6, ad)
}
const shuffled = await study('shuffled', table, ...disease, '--shuffle-labels', '1')
expect('AD vs CN, labels shuffled', shuffled('validation, AD vs CN'), 0.4, 0.6)

// Many controls, and ages that overlap: what is wrong with the fitted lines grows with the distance of the patients' ages from
// the controls', and shrinks with their number; it is the same in all scans, so a network could learn it.
const age = await cohort(
  'age',
  ...['--subjects', '600', '--seed', '7', '--voxel', AGE_VOXEL, '--groups', 'CN,CN,CN,CN,AD', '--effect', '0'],
  ...['--aging', '3', '--ages', 'CN=67,AD=78', '--noise', '0.02'],
)
const layers = join(out, 'age-network.json')
await writeFile(layers, `${JSON.stringify(AGE_NETWORK, null, 2)}\n`)
const ages = ['--architecture', layers, '--scaling', 'none', '--folds', '3', '--epochs', '15', '--batch', '16'].concat([
  '--learning-rate',
  '3e-3',
  '--balanced',
])
const plain = await study('age', age, ...ages)
expect('only age differs, as it is', plain('validation, AD vs CN'), 0.7, 1)
const residual = await study('age-residual', age, ...ages, '--residualise', 'age,sex,tiv')
expect('only age differs, residualised', residual('validation, AD vs CN'), 0.4, 0.6)

console.log('\nmean AUC of the networks')
for (const { what, auc, wanted, good } of findings) {
  console.log(`${good ? 'ok  ' : 'FAIL'}  ${what.padEnd(48)} ${auc.toFixed(3)}  (${wanted})`)
}
process.exitCode = findings.every(({ good }) => good) ? 0 : 1
