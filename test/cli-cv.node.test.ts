/** voxplain cv: the folder, its summary, refusals, and studies that are killed and go on. */
import { spawn } from 'node:child_process'
import { cp, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { decode } from 'fast-png'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { parseTsv } from '../src/io/tsv.ts'
import { uniformStream } from '../src/model/random.ts'
import { assertRefused, makePlace, type Place, tinyScan, voxplain } from './support/cli.ts'

const test = suite('cv')
let place: Place
let table: string
let other: string

test.before(async () => {
  place = await makePlace()
  const head = 'participant_id\tdiagnosis\tage\tpath\n'
  const make = async (name: string, count: number, seed: number) => {
    const lines = await Promise.all(
      Array.from({ length: count }, async (_, n) => {
        const scan = tinyScan(seed + n)
        const label = ['CN', 'MCI', 'AD'][n % 3]!
        // A corner of the brain shrinks with the disease.
        const loss = { CN: 0, MCI: 0.3, AD: 0.7 }[label]!
        const data = scan.data.map((v, i) => (i % 12 < 6 ? v * (1 - loss) : v))
        await place.scan(join(name, `${n}.nii.gz`), { ...scan, data })
        return `sub-${name}${n}\t${label}\t${60 + ((7 * n) % 20)}\t${name}/${n}.nii.gz\n`
      }),
    )
    const path = join(place.folder, `${name}.tsv`)
    await writeFile(path, head + lines.join(''))
    return path
  }
  table = await make('main', 30, 100)
  other = await make('other', 9, 400)
})
test.after(() => place.clear())

const options = () =>
  ['--train-classes', 'AD,CN', '--folds', '2', '--test', '0.2', '--cohort', `Site B=${other}`, '--draws', '100'].concat(
    ['--epochs', '2', '--batch', '4', '--learning-rate', '3e-3', '--augment', 'flip,shift=1'],
    ['--residualise', 'age', '--architecture', join(place.folder, 'layers.json')],
  )

const LAYERS = {
  name: 'tiny',
  layers: [
    { type: 'conv3d', name: 'conv', channels: 4, kernel: 3, padding: 1 },
    { type: 'batchNorm', name: 'norm', momentum: 0.3 },
    { type: 'relu', name: 'relu' },
    { type: 'maxPool3d', name: 'pool', kernel: 2, stride: 2 },
    { type: 'flatten', name: 'flatten' },
    { type: 'dropout', name: 'dropout', rate: 'dropout' },
    { type: 'dense', name: 'output', units: 'classes' },
  ],
}

/** All files of a study but the one with times, by name. */
async function contents(folder: string): Promise<Map<string, string>> {
  const names = (await place.list(folder)).filter((name) => /\.\w+$/.test(name) && name !== 'times.tsv').sort()
  const files = new Map<string, string>()
  for (const name of names) files.set(name, (await readFile(join(place.folder, folder, name))).toString('base64'))
  return files
}

function assertSame(folder: ReadonlyMap<string, string>, whole: ReadonlyMap<string, string>): void {
  assert.equal([...folder.keys()], [...whole.keys()])
  for (const [name, bytes] of whole) assert.ok(folder.get(name) === bytes, `${name} differs`)
}

test('a study: a folder for each fold and run, and a summary', async () => {
  await place.file('layers.json', new TextEncoder().encode(JSON.stringify(LAYERS)))
  const out = join(place.folder, 'whole')
  const run = await voxplain('cv', table, '--out', out, ...options(), '--runs', '2')
  assert.is(run.code, 0, run.err)
  assert.match(run.err, /tiny: [\d,]+ parameters/)
  assert.match(run.err, /fold 2\/2 run 2\/2, epoch 2, loss [\d.]+, validation loss/)
  assert.match(run.out, /^AD vs CN +test +2 \/ 2 +4 +[01]\.\d+ ± /m)
  assert.match(run.out, /^MCI vs CN +Site B +3 \/ 3 /m)
  const files = await contents('whole')
  const part = ['curves.png', 'metrics.json', 'metrics.tsv', 'network.safetensors', 'predictions.tsv'].concat([
    'predictions_Site-B.tsv',
    'predictions_test.tsv',
    'training.tsv',
  ])
  const parts = ['0/run-0', '0/run-1', '1/run-0', '1/run-1'].flatMap((one) => part.map((name) => `fold-${one}/${name}`))
  assert.equal([...files.keys()], [...parts, 'splits.tsv', 'study.json', 'summary.html', 'summary.tsv'].sort())

  const read = (name: string) => readFile(join(out, name), 'utf8')
  const rows = async (name: string) => parseTsv(await read(name)).rows
  // Nobody is in two sets, and MCI are in folds.
  const splits = await rows('splits.tsv')
  const tested = await Promise.all([0, 1].map((fold) => rows(`fold-${fold}/run-0/predictions.tsv`)))
  tested.forEach((own, fold) => {
    const wanted = splits.filter((row) => row.fold === String(fold)).map((row) => row.participant_id)
    assert.equal(
      own.map((row) => row.participant_id),
      wanted,
    )
    assert.ok(own.some((row) => row.true_label === 'MCI'))
  })
  assert.is(splits.filter((row) => row.fold === 'test').length, 6)
  // The summary's mean is that of the networks' own numbers.
  const metrics = await Promise.all(parts.filter((name) => name.endsWith('metrics.tsv')).map(rows))
  const own = metrics.map((all) =>
    Number(all.find((row) => row.cohort === 'Site B' && row.contrast === 'MCI vs CN' && row.metric === 'auc')!.value),
  )
  const summary = await rows('summary.tsv')
  const line = summary.find((row) => row.cohort === 'Site B' && row.contrast === 'MCI vs CN' && row.metric === 'auc')!
  const mean = own.reduce((a, b) => a + b, 0) / 4
  assert.ok(Math.abs(Number(line.mean) - mean) < 1e-12)
  const deviation = Math.sqrt(own.reduce((sum, v) => sum + (v - mean) ** 2, 0) / 3)
  assert.ok(Math.abs(Number(line.deviation) - deviation) < 1e-12)
  const training = await rows('fold-0/run-0/training.tsv')
  assert.equal([training.length, training.filter((row) => row.chosen === '1').length], [2, 1])
  const png = decode(await readFile(join(out, 'fold-0/run-0/curves.png')))
  assert.equal([png.width, png.height], [1840, 640])
  const page = await read('summary.html')
  assert.match(page, /<title>Cross-validation on main<\/title>/)
  assert.not.match(page, /(src|href)="(?!data:)/)
})

test('what will not go on, or not begin', async () => {
  const out = join(place.folder, 'whole')
  const cv = (...argv: string[]) => voxplain('cv', table, ...argv)
  const onlyError = (run: { code: number; out: string; err: string }) => ({
    ...run,
    err: run.err
      .split('\n')
      .filter((line) => line !== '')
      .at(-1)!,
  })
  assertRefused(onlyError(await cv('--out', out, ...options(), '--runs', '2')), 2, '--resume')
  const changed = await cv('--out', out, ...options(), '--runs', '2', '--resume', '--seed', '9')
  assertRefused(onlyError(changed), 2, 'another cross-validation', 'split was')
  const fresh = join(place.folder, 'fresh')
  assertRefused(onlyError(await cv('--out', fresh, ...options(), '--resume')), 2, 'no cross-validation to go on with')
  assertRefused(await cv('--out', fresh, '--cohort', other), 2, 'NAME=TABLE')
  assertRefused(await cv('--out', fresh, '--cohort', `test=${other}`), 2, '"test" is taken')
  assertRefused(await cv('--out', fresh, '--train-classes', 'AD,XX'), 2, 'XX is none of the classes CN, MCI, AD')
  assertRefused(await cv('--out', fresh, '--contrast', 'AD:XX'), 2, 'XX')
  assertRefused(await cv('--out', fresh, '--folds', '11'), 2, 'class CN has 10 participants')
  assertRefused(await cv('--out', fresh, '--split-column', 'fold'), 2, 'no column "fold"')
  const same = await cv('--out', fresh, '--cohort', `Again=${table}`)
  assertRefused(onlyError(same), 2, 'in more than one set', '(main, Again)')
})

/** A study in a process of its own, killed some time after its n-th epoch. */
function killed(out: string, epochs: number, later: number): Promise<string | null> {
  const bin = fileURLToPath(new URL('../bin/voxplain.mjs', import.meta.url))
  const argv = [bin, 'cv', table, '--out', out, ...options(), '--runs', '2']
  return new Promise((resolve, reject) => {
    const running = spawn(process.execPath, argv, { stdio: ['ignore', 'ignore', 'pipe'] })
    let said = ''
    let waiting = true
    running.stderr.setEncoding('utf8').on('data', (text) => {
      said += text
      if (!waiting || said.split(', epoch ').length - 1 < epochs) return
      waiting = false
      setTimeout(() => running.kill('SIGKILL'), later)
    })
    running.on('error', reject)
    running.on('close', (_, signal) => resolve(signal))
  })
}

test('kill -9 at a random moment of the second network, then --resume: the very same files', async () => {
  const out = join(place.folder, 'killed')
  assert.is(await killed(out, 3, 40 * uniformStream(4, 'kills')()), 'SIGKILL')
  // What a process leaves that dies while it writes.
  await cp(join(out, 'study.json'), join(out, 'fold-0', 'run-0', '.0123456789abcdef01.tmp'))
  const resumed = await voxplain('cv', table, '--out', out, ...options(), '--runs', '2', '--resume')
  assert.is(resumed.code, 0, resumed.err)
  assertSame(await contents('killed'), await contents('whole'))
  assert.not.ok((await place.list('killed')).some((name) => /tmp|checkpoint/.test(name)))
})

test('shuffled labels and splits of the table; JSON with events', async () => {
  const text = await readFile(table, 'utf8')
  const lines = text.trimEnd().split('\n')
  const folded = lines.map((line, n) => `${line}\t${n === 0 ? 'fold' : ['a', 'b', 'test'][(n >> 2) % 3]}`)
  const path = join(place.folder, 'folded.tsv')
  await writeFile(path, `${folded.join('\n')}\n`)
  const small = ['--architecture', join(place.folder, 'layers.json')]
  const argv = [
    ...small,
    '--split-column',
    'fold',
    '--epochs',
    '1',
    '--draws',
    '100',
    '--shuffle-labels',
    '3',
    '--json',
  ]
  const run = await voxplain('cv', path, '--out', join(place.folder, 'split'), ...argv)
  assert.is(run.code, 0, run.err)
  const { folds, classes, summary, networks } = JSON.parse(run.out)
  assert.equal([folds, networks.length, classes], [2, 2, ['CN', 'MCI', 'AD']])
  assert.equal([...new Set(summary.map(({ cohort }: { cohort: string }) => cohort))], ['validation', 'test'])
  const events = run.err.split('\n').flatMap((line) => (line.startsWith('{') ? [JSON.parse(line)] : []))
  assert.equal(
    events.map(({ event, fold, run: own }) => [event, fold, own]),
    [
      ['epoch', 0, 0],
      ['network', 0, 0],
      ['epoch', 1, 0],
      ['network', 1, 0],
    ],
  )
  assert.match(await readFile(join(place.folder, 'split', 'summary.html'), 'utf8'), /labels were shuffled/)
})

test.run()
