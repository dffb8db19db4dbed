/**
 * `npm run study:cv`: shows on phantoms that `voxplain cv` finds a disease where there is one, nothing where there is none, and
 * that residualisation takes an age difference away. Studies by the command line, each in a folder of its own, and what they
 * have to show. `--voxel 12` is quicker than the default 4 mm. Studies go on where they were; `--only` names some of them.
 */
import { existsSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { parseTsv } from '../src/io/tsv.ts'
import { cohort, run, TRAINING, writeNetwork } from './steps.ts'

const STUDIES = ['disease', 'shuffled', 'age']

const { values } = parseArgs({
  options: {
    out: { type: 'string', default: 'study' },
    voxel: { type: 'string', default: '4' },
    only: { type: 'string', default: STUDIES.join() },
    shuffles: { type: 'string', default: '1,2,3' },
    'age-seeds': { type: 'string', default: '11,12,13' },
  },
})
const { out, voxel } = values
const only = values.only.split(',')
const stranger = only.find((name) => !STUDIES.includes(name))
if (stranger !== undefined) {
  console.error(`--only ${stranger}: name some of ${STUDIES.join(', ')}`)
  process.exit(2)
}

/** Age is a matter of the whole brain: coarse voxels and a small network do, and many controls are affordable. */
const AGE_NETWORK = {
  name: 'age_net',
  layers: [
    { type: 'avgPool3d', name: 'coarse', kernel: 4, stride: 4 },
    { type: 'conv3d', name: 'conv', channels: 8, kernel: 3, padding: 1 },
    { type: 'batchNorm', name: 'norm' },
    { type: 'leakyRelu', name: 'relu', slope: 0.01 },
    { type: 'flatten', name: 'flatten' },
    { type: 'dropout', name: 'dropout', rate: 'dropout' },
    { type: 'dense', name: 'output', units: 'classes' },
  ],
}

const make = (name: string, ...options: string[]) => cohort(join(out, 'cohorts', name), ...options)

interface Auc {
  /** Over the networks. */
  readonly mean: number
  /** Of the pooled predictions, 95 %; not of means of several studies. */
  readonly interval?: readonly [number, number]
}

/** A study, begun or gone on with. @returns AUC by cohort and contrast */
async function study(name: string, table: string, ...options: string[]): Promise<(key: string) => Required<Auc>> {
  const folder = join(out, name)
  const again = existsSync(join(folder, 'study.json')) ? ['--resume'] : []
  await run('cv', table, '--out', folder, ...options, ...again)
  const { rows } = parseTsv(await readFile(join(folder, 'summary.tsv'), 'utf8'))
  return (key) => {
    const row = rows.find((own) => own.metric === 'auc' && `${own.cohort}, ${own.contrast}` === key)
    if (!row) throw new Error(`${name} has no AUC of ${key}`)
    return { mean: Number(row.mean), interval: [Number(row.pooled_low), Number(row.pooled_high)] }
  }
}

const findings: { what: string; auc: Auc; wanted: string; good: boolean }[] = []

function expect(what: string, auc: Auc, low: number, high: number): void {
  const wanted = high >= 1 ? `>= ${low.toFixed(3)}` : `${low.toFixed(3)} to ${high.toFixed(3)}`
  findings.push({ what, auc, wanted, good: auc.mean >= low && auc.mean <= high })
}

function expectChance(what: string, auc: Required<Auc>): void {
  const [low, high] = auc.interval
  const good = auc.mean >= 0.4 && auc.mean <= 0.6 && low <= 0.5 && high >= 0.5
  findings.push({ what, auc, wanted: '0.4 to 0.6, and 0.5 in the interval', good })
}

/** What both studies of the disease are made with. */
async function diseaseStudy() {
  const groups = ['--groups', 'CN,MCI,AD', '--voxel', voxel]
  const others = {
    soft: await make('soft', '--subjects', '60', '--seed', '2', '--blur', '1', '--noise', '0.06', ...groups),
    bright: await make('bright', '--subjects', '60', '--seed', '3', '--gamma', '0.8', ...groups),
  }
  const { layers, recipe } = await writeNetwork(out, Number(voxel))
  const network = ['--train-classes', 'CN,AD', '--recipe', recipe, '--architecture', layers]
  const loop = ['--folds', '5', '--epochs', '8', ...TRAINING]
  const tested = Object.entries(others).flatMap(([name, file]) => ['--cohort', `${name}=${file}`])
  return {
    table: await make('study', '--subjects', '120', '--seed', '1', ...groups),
    options: [...network, ...loop, ...tested],
  }
}

async function findDisease(): Promise<void> {
  const { table, options } = await diseaseStudy()
  const found = await study('disease', table, ...options)
  expect('AD vs CN, validation folds', found('validation, AD vs CN'), 0.95, 1)
  for (const name of ['validation', 'soft', 'bright']) {
    const ad = found(`${name}, AD vs CN`)
    if (name !== 'validation') expect(`AD vs CN, ${name} scanner`, ad, 0.85, 1)
    expect(`MCI vs CN, ${name}: above chance, below AD`, found(`${name}, MCI vs CN`), 0.6, ad.mean)
  }
}

/**
 * AUC by chance over 80 scans has a deviation of 0.065, and more where the scans also choose the epoch: labels are shuffled
 * several times, and the mean over all networks has to be at chance.
 */
async function findNothing(): Promise<void> {
  const { table, options } = await diseaseStudy()
  const found: Auc[] = []
  for (const seed of values.shuffles.split(',')) {
    const shuffled = await study(`shuffled-${seed}`, table, ...options, '--shuffle-labels', seed)
    found.push(shuffled('validation, AD vs CN'))
    console.error(`labels shuffled with seed ${seed}: AUC ${found.at(-1)!.mean.toFixed(3)}`)
  }
  const all = { mean: found.reduce((sum, { mean }) => sum + mean, 0) / found.length }
  expect(`AD vs CN, labels shuffled, ${found.length} times`, all, 0.4, 0.6)
}

/**
 * Patients that differ from controls in nothing but their age. What residuals still tell of it (docs/training.md) is kept
 * small: many controls and few values for the network, because slopes are known with errors; and a contrast that is nearly
 * logarithmic, because ageing multiplies grey matter here, which in logarithms adds: least squares take off what adds, but
 * not that the scans of the old differ less from each other.
 */
async function findAge(seed: string): Promise<void> {
  const people = ['--subjects', '2400', '--groups', 'CN,CN,CN,CN,CN,CN,CN,AD', '--effect', '0', '--seed', seed]
  const ageing = ['--aging', '3', '--ages', 'CN=66,AD=77', '--variability', '0']
  const scanner = ['--voxel', '16', '--gamma', '0.25', '--noise', '0.08']
  const table = await make(`age-${seed}`, ...people, ...ageing, ...scanner)
  const layers = join(out, 'age-network.json')
  await writeFile(layers, `${JSON.stringify(AGE_NETWORK, null, 2)}\n`)
  const loop = ['--folds', '3', '--epochs', '5', '--batch', '32', '--learning-rate', '3e-3', '--balanced']
  const options = ['--architecture', layers, '--scaling', 'none', ...loop]
  const plain = await study(`age-${seed}-plain`, table, ...options)
  expect(`only age differs, as it is (seed ${seed})`, plain('validation, AD vs CN'), 0.75, 1)
  const residual = await study(`age-${seed}-residual`, table, ...options, '--residualise', 'age,sex,tiv')
  expectChance(`only age differs, residualised (seed ${seed})`, residual('validation, AD vs CN'))
}

await mkdir(out, { recursive: true })
if (only.includes('disease')) await findDisease()
if (only.includes('shuffled')) await findNothing()
if (only.includes('age')) for (const seed of values['age-seeds'].split(',')) await findAge(seed)

console.log('\nmean AUC of the networks, and the 95 % interval of the pooled predictions')
for (const { what, auc, wanted, good } of findings) {
  const interval = auc.interval ? `[${auc.interval.map((value) => value.toFixed(3)).join(' to ')}]` : ''
  console.log(
    `${good ? 'ok  ' : 'FAIL'}  ${what.padEnd(48)} ${auc.mean.toFixed(3)} ${interval.padEnd(16)}  (${wanted})`,
  )
}
process.exitCode = findings.every(({ good }) => good) ? 0 : 1
