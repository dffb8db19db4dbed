/** voxplain train: options of the loop, inputs, checkpoints, refusals before any work. */
import { spawn } from 'node:child_process'
import { copyFile, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { loadNetwork } from '../src/model/formats/format.ts'
import { assertRefused, makePlace, type Place, tinyScan, voxplain } from './support/cli.ts'

const test = suite('train')
let place: Place
let table: string

const LAYERS = [
  { type: 'conv3d', name: 'conv', channels: 2, kernel: 3, padding: 1 },
  { type: 'relu', name: 'relu' },
  { type: 'maxPool3d', name: 'pool', kernel: 4, stride: 4 },
  { type: 'flatten', name: 'flatten' },
  { type: 'dropout', name: 'dropout', rate: 'dropout' },
  { type: 'dense', name: 'output', units: 'classes' },
]

test.before(async () => {
  place = await makePlace()
  const lines = await Promise.all(
    Array.from({ length: 20 }, async (_, n) => {
      await place.scan(join('scans', `${n}.nii.gz`), tinyScan(n + 1))
      return `sub-${n}\t${['CN', 'AD'][n % 2]}\t${60 + ((7 * n) % 20)}\tscans/${n}.nii.gz\n`
    }),
  )
  table = join(place.folder, 'cohort.tsv')
  await writeFile(table, `participant_id\tdx\tage\tpath\n${lines.join('')}`)
  await writeFile(join(place.folder, 'layers.json'), JSON.stringify({ name: 'tiny', layers: LAYERS }))
})
test.after(() => place.clear())

const argv = (...more: string[]) =>
  ['train', table, '--label-column', 'dx', '--architecture', join(place.folder, 'layers.json')].concat(more)

test('every option of the loop reaches it, and the network knows its residuals', async () => {
  const out = join(place.folder, 'net.safetensors')
  const loop = ['--optimizer', 'sgd', '--momentum', '0.9', '--nesterov', '--schedule', 'step=1x0.5', '--warm-up', '0.5']
  const more = ['--accumulate', '2', '--batch', '3', '--sampler', 'balanced', '--balanced', '--metric', 'auc']
  const stop = ['--patience', '2', '--tolerance', '0.01', '--weight-decay', '0', '--learning-rate', '0.01']
  const input = ['--augment', 'flip,shift=1x0x2,noise=0.1,smooth=1', '--residualise', 'age', '--scaling', 'z-score']
  const rest = ['--size', '10x12x10', '--epochs', '2', '--seed', '4', '--json', '--memory', '1GB', '--cache', '1kB']
  const run = await voxplain(...argv('--out', out, ...loop, ...more, ...stop, ...input, ...rest))
  assert.is(run.code, 0, run.err)
  const { options, samples, history, classes } = JSON.parse(run.out)
  assert.equal(options.optimizer, { kind: 'sgd', momentum: 0.9, nesterov: true })
  assert.equal(options.schedule, { kind: 'step', epochs: 1, factor: 0.5 })
  assert.equal([options.accumulate, options.batch, options.warmUp, options.metric], [2, 3, 0.5, 'auc'])
  assert.equal([options.sampler, options.classWeights, options.patience], ['balanced', 'balanced', 2])
  const augmentation = { flip: true, shift: [1, 0, 2], noise: 0.1, smoothing: 1 }
  assert.equal(JSON.parse(options.about.augmentation), augmentation)
  assert.equal([samples, classes], [{ training: 16, validation: 4 }, ['CN', 'AD']])
  assert.equal(
    history.map(({ learningRate }: { learningRate: number }) => learningRate),
    [0.01, 0.005],
  )
  const epochs = run.err.split('\n').flatMap((line) => (line.startsWith('{') ? [JSON.parse(line)] : []))
  assert.equal(
    epochs.map(({ event, epoch }) => `${event} ${epoch}`),
    ['epoch 1', 'epoch 2'],
  )
  const { description, residual } = loadNetwork(await readFile(out))
  assert.equal([description.input, description.recipe.scaling], [[1, 10, 12, 10], 'z-score'])
  assert.equal([description.recipe.residual?.controls, residual?.shape[0]], [8, 2])
  assert.equal(await place.list('.').then((names) => names.filter((name) => /checkpoint/.test(name))), [])
})

/** A training in a process of its own, killed after some epoch. */
function killedAfter(epoch: number, all: readonly string[]): Promise<string | null> {
  const bin = fileURLToPath(new URL('../bin/voxplain.mjs', import.meta.url))
  return new Promise((resolve) => {
    const running = spawn(process.execPath, [bin, ...all], { stdio: ['ignore', 'ignore', 'pipe'] })
    let said = ''
    running.stderr.setEncoding('utf8').on('data', (text) => {
      said += text
      if (said.includes(` epoch ${epoch},`)) running.kill('SIGKILL')
    })
    running.on('close', (_, signal) => resolve(signal))
  })
}

test('kill -9, then --resume: the network of a training that was left alone; memory is planned first', async () => {
  const [whole, killed] = ['whole', 'killed'].map((name) => join(place.folder, `${name}.safetensors`))
  const loop = ['--epochs', '4', '--batch', '4', '--augment', 'shift=1']
  const alone = await voxplain(...argv('--out', whole!, ...loop, '--memory', '2MB'))
  assert.is(alone.code, 0, alone.err)
  const lines = alone.err.split('\n')
  const at = (pattern: RegExp) => lines.findIndex((line) => pattern.test(line))
  assert.ok(at(/tiny: \d+ parameters, [\d.]+ MFLOP a scan, input 12 x 14 x 12/) >= 0, alone.err)
  assert.ok(at(/planned GPU memory/) < at(/epoch 1, loss/))
  const most = Number(/batches of up to (\d+) fit in the 2.0 MB of --memory/.exec(alone.err)?.[1] ?? 16)
  assert.ok(most >= 8, alone.err)

  assert.is(await killedAfter(2, argv('--out', killed!, ...loop)), 'SIGKILL')
  const again = await voxplain(...argv('--out', killed!))
  assert.is(again.code, 2)
  assert.match(again.err, /broken off; go on with --resume, or remove it/)
  // Another training may not go on from it.
  const copy = join(place.folder, 'copy.checkpoint')
  await copyFile(`${killed}.checkpoint`, copy)
  const other = await voxplain(...argv('--out', killed!, '--checkpoint', copy, '--resume', ...loop, '--seed', '2'))
  assert.is(other.code, 2)
  assert.match(other.err, /checkpoint is of another training: .*seed was 1 and is 2/)
  const resumed = await voxplain(...argv('--out', killed!, '--resume', ...loop))
  assert.is(resumed.code, 0, resumed.err)
  assert.equal(await readFile(killed!), await readFile(whole!))
})

test('--memory refuses a batch that is too large, and says which fits', async () => {
  const out = join(place.folder, 'memory.safetensors')
  const refused = await voxplain(...argv('--out', out, '--memory', '500kB', '--batch', '16'))
  assert.is(refused.code, 2)
  assert.match(refused.err, /batches of 16 needs [\d.]+ MB of GPU memory; batches of up to \d+ fit in .*use --batch \d/)
})

test('refused before any work', async () => {
  const out = join(place.folder, 'maps', 'net.safetensors')
  const train = (...more: string[]) => voxplain(...argv('--out', out, ...more))
  assertRefused(await train('--augment', 'turn'), 2, '"turn" is none of flip')
  assertRefused(await train('--augment', 'flip=2'), 2, '"flip=2" is none of flip')
  assertRefused(await train('--augment', 'shift=-1'), 2, 'augmentation.shift')
  assertRefused(await train('--schedule', 'step'), 2, 'step=30')
  assertRefused(await train('--schedule', 'cosine=2'), 2, 'cosine=0.01')
  assertRefused(await train('--momentum', '0.9'), 2, '--momentum is for sgd')
  assertRefused(await train('--residualise', 'tiv'), 2, 'no column for the covariate tiv')
  assertRefused(await train('--controls', 'CN'), 2, '--controls is for --residualise')
  assertRefused(await train('--residualise', 'age', '--controls', 'XX'), 2, 'XX is none of the classes CN, AD')
  assertRefused(await train('--architecture', 'VGG'), 2, 'no architecture is called "VGG"')
  const head = {
    format: 'voxplain-network',
    version: 1,
    name: 'tissues',
    input: [1, 12, 14, 12],
    output: 'segmentation',
  }
  const layers = [{ type: 'conv3d', name: 'head', channels: 2, kernel: 1 }]
  const segmentation = join(place.folder, 'segmentation.json')
  await writeFile(segmentation, JSON.stringify({ ...head, layers }))
  assertRefused(await train('--architecture', segmentation), 2, '"tissues" is a segmentation, which cannot be trained')
  assertRefused(await train('--label-column', 'diagnosis'), 2, 'no column "diagnosis"')
  assertRefused(await train('--resume'), 2, 'there is no checkpoint')
  assertRefused(await train('--resume', '--no-checkpoint'), 2, '--no-checkpoint')
  assert.equal(
    (await place.list('maps')).filter((name) => name !== ''),
    [],
  )
})

test.run()
