/** voxplain search: what it refuses, what it keeps, and that a search that was killed ends as one that was not. */
import { spawn } from 'node:child_process'
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { parseTsv } from '../src/io/tsv.ts'
import { loadNetwork } from '../src/model/formats/format.ts'
import { defaultSpace } from '../src/model/search/search.ts'
import { assertRefused, makePlace, type Place, SIZE, tinyScan, voxplain } from './support/cli.ts'

const test = suite('search command')
const bin = fileURLToPath(new URL('../bin/voxplain.mjs', import.meta.url))
let place: Place
let cohort: string
let space: string
test.before(async () => {
  place = await makePlace()
  const lines = ['participant_id\tdiagnosis\tpath']
  for (let n = 0; n < 14; n++) {
    await place.scan(`scans/s${n}.nii.gz`, tinyScan(n + 1))
    lines.push(`sub-${n}\t${n % 2 ? 'AD' : 'CN'}\tscans/s${n}.nii.gz`)
  }
  const text = (content: string) => new TextEncoder().encode(content)
  cohort = await place.file('participants.tsv', text(`${lines.join('\n')}\n`))
  space = await place.file(
    'space.json',
    text(
      JSON.stringify({
        ...{ blocks: 1, firstWidth: { choice: [2, 3, 4096] }, widthLimit: 4096, convolutions: 1, denseLayers: 1 },
        ...{ reduction: 'pool', norm: 'none', batch: 4 },
      }),
    ),
  )
})
test.after(() => place.clear())

const asked = (out: string, ...more: string[]) => {
  const sizes = ['--trials', '3', '--epochs', '2', '--seed', '6', '--max-parameters', '50000']
  return ['search', cohort, '--space', space, ...sizes, '--checkpoint-steps', '1', '--out', out, ...more]
}

/** Every file below a folder, by its name. */
async function contents(folder: string): Promise<Record<string, string>> {
  const names = (await readdir(folder, { recursive: true })).sort()
  const files: [string, string][] = []
  for (const name of names) {
    if ((await stat(join(folder, name))).isFile())
      files.push([name, (await readFile(join(folder, name))).toString('hex')])
  }
  return Object.fromEntries(files)
}

test('--print-space prints the space, in full', async () => {
  const own = await voxplain('search', '--print-space')
  assert.equal(JSON.parse(own.out), JSON.parse(JSON.stringify(defaultSpace)))
  const given = JSON.parse((await voxplain('search', '--print-space', '--space', space)).out)
  assert.equal(given.firstWidth, { choice: [2, 3, 4096] })
  assert.equal(given.dropout, defaultSpace.dropout)
  const help = await voxplain('search', '--help')
  assert.match(help.out, /\nExamples:\n {2}voxplain search /)
  assert.not.match(help.out, /--learning-rate|--architecture/)
})

test('wrong use is refused before any work', async () => {
  const out = join(place.folder, 'refused')
  assertRefused(await voxplain('search', '--out', out), 2, 'no cohort was given')
  assertRefused(await voxplain('search', cohort), 2, '--out is missing')
  assertRefused(await voxplain(...asked(out, '--validation', '0')), 2, '--validation is 0')
  assertRefused(
    await voxplain(...asked(out, '--learning-rate', '0.1')),
    2,
    '--learning-rate is drawn',
    '"learningRate"',
  )
  assertRefused(await voxplain(...asked(out, '--architecture', 'dyrba')), 2, 'the space describes the networks')
  assertRefused(await voxplain(...asked(out, '--space', cohort)), 2, 'participants.tsv is no search space')
  assertRefused(await voxplain(...asked(out, '--resume')), 2, 'holds no search to go on with')
})

test('a search that is killed and goes on has the files of one that was left alone', async () => {
  const [whole, broken] = [join(place.folder, 'whole'), join(place.folder, 'broken')]
  const run = await voxplain(...asked(whole, '--json'))
  assert.is(run.code, 0, run.err)
  const { trials, best, network, samples } = JSON.parse(run.out)
  assert.equal(samples, { training: 12, validation: 2, test: 0 })
  const statuses = trials.map(({ status }: { status: string }) => status)
  assert.ok(statuses.includes('done') && statuses.includes('rejected'), `${statuses}: the seed shows too little`)

  // What is kept of each trial.
  const table = parseTsv(await readFile(join(whole, 'trials.tsv'), 'utf8'))
  assert.equal(
    table.rows.map(({ trial, status }) => [Number(trial), status]),
    statuses.map((status: string, n: number) => [n, status]),
  )
  assert.equal(
    table.rows.flatMap((row) => (row.best === 'true' ? [Number(row.trial)] : [])),
    [best],
  )
  const rejected = statuses.indexOf('rejected')
  assert.match(table.rows[rejected]!.reason!, /parameters, more than the 50000 allowed/)
  assert.equal(await place.list(`whole/trial-${rejected}`), ['metrics.json'])
  const kept = ['metrics.json', 'network.json', 'network.safetensors', 'training.tsv']
  assert.equal((await place.list(`whole/trial-${best}`)).sort(), kept)
  const losses = trials.map((trial: { best?: { validationLoss: number } }) => trial.best?.validationLoss ?? Infinity)
  assert.is(losses.indexOf(Math.min(...losses)), best)
  const exported = loadNetwork(await readFile(network))
  assert.is(exported.description.name, `trial_${best}`)
  assert.equal(exported.description.recipe.classes, ['CN', 'AD'])
  assert.equal(exported.description.recipe.grid!.shape, [...SIZE])

  // Killed in its second training, and gone on with.
  const second = statuses.indexOf('done', statuses.indexOf('done') + 1)
  await killed(asked(broken), join(broken, `trial-${second}`, 'checkpoint.safetensors'))
  assertRefused(await voxplain(...asked(broken)), 2, 'holds a search; go on with --resume')
  assertRefused(await voxplain(...asked(broken, '--resume', '--seed', '8')), 2, 'another search: seed was 6 and is 8')
  assertRefused(await voxplain(...asked(broken, '--resume', '--epochs', '3')), 2, 'another search: training was')
  const resumed = await voxplain(...asked(broken, '--resume'))
  assert.is(resumed.code, 0, resumed.err)
  assert.equal(await contents(broken), await contents(whole))
  assert.match(
    resumed.out,
    new RegExp(`\\d trials trained, \\d rejected, 0 diverged; the best by loss, trial ${best}, is in`),
  )
})

/** Runs a command, and kills it when a file has appeared. */
async function killed(argv: string[], file: string): Promise<void> {
  const child = spawn(process.execPath, [bin, ...argv], { stdio: 'ignore' })
  const ended = new Promise((resolve) => child.on('close', (_, signal) => resolve(signal)))
  const there = setInterval(() => {
    stat(file).then(
      () => child.kill('SIGKILL'),
      () => undefined,
    )
  }, 5)
  const signal = await ended
  clearInterval(there)
  assert.is(signal, 'SIGKILL', 'it ended by itself')
}

test.run()
