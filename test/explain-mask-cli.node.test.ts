/** voxplain explain with several scans at a time and several lambdas: the maps of one at a time, under names that tell. */
import { readFile } from 'node:fs/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { assertRefused, makePlace, type Place, tinyScan, voxplain } from './support/cli.ts'

const test = suite('explain with lists')
let place: Place
let scans: string[]
test.before(async () => {
  place = await makePlace()
  scans = [await place.scan('one.nii.gz', tinyScan(1)), await place.scan('two.nii', tinyScan(2))]
})
test.after(() => place.clear())

const STEPS = ['--iterations', '3', '--resolution', '4'] as const
const bytes = (folder: string, name: string) => readFile(`${place.folder}/${folder}/${name}`)

test('lists of lambdas: every pair for every scan, the same bytes as one at a time', async () => {
  const bad = await place.scan('small.nii', tinyScan(1, [8, 8, 8]))
  const grid = ['--lambda1', '0.5,60', '--lambda2', '0.1,1'] as const
  const out = await place.file('grid')
  const files = [scans[0]!, bad, scans[1]!]
  const run = await voxplain(
    'explain',
    place.network,
    ...files,
    ...grid,
    '--batch',
    '4',
    '--out',
    out,
    ...STEPS,
    '--json',
  )
  assert.is(run.code, 1)
  assert.match(run.err, /small\.nii: the scan has 8 x 8 x 8 voxels/)
  const pairs = ['0.5', '60'].flatMap((first) => ['0.1', '1'].map((second) => ({ first, second })))
  const nameOf = (stem: string, { first, second }: { first: string; second: string }) =>
    `${stem}_lambda1-${first}_lambda2-${second}_desc-mask_relevance`
  const stems = ['one', 'two']
  const names = stems.flatMap((s) => pairs.flatMap((p) => ['json', 'nii.gz', 'png'].map((e) => `${nameOf(s, p)}.${e}`)))
  assert.equal((await place.list('grid')).sort(), names.sort())
  const found = JSON.parse(run.out).scans
  assert.equal(
    found.map(({ scan, options }: { scan: string; options?: { lambda1: number } }) => [scan, options?.lambda1]),
    [
      ...[0.5, 0.5, 60, 60].map((lambda) => [scans[0], lambda]),
      [bad, undefined],
      ...[0.5, 0.5, 60, 60].map((lambda) => [scans[1], lambda]),
    ],
  )
  const single = ['--lambda1', '60', '--lambda2', '0.1', '--batch', '1'] as const
  const alone = await voxplain(
    'explain',
    place.network,
    ...scans,
    ...single,
    '--out',
    await place.file('one'),
    ...STEPS,
  )
  assert.is(alone.code, 0)
  assert.match(alone.err, /planned GPU memory/)
  for (const stem of stems) {
    const name = nameOf(stem, { first: '60', second: '0.1' })
    const [one, other] = [
      await bytes('one', `${stem}_desc-mask_relevance.nii.gz`),
      await bytes('grid', `${name}.nii.gz`),
    ]
    assert.ok(one.equals(other), name)
    const record = JSON.parse((await bytes('grid', `${name}.json`)).toString())
    assert.equal([record.options.lambda1, record.options.lambda2], [60, 0.1])
    assert.not.ok('suffix' in record.options)
    assert.is(record.map, `${name}.nii.gz`)
  }
})

test('a group under several settings: a map for each, named by what differs', async () => {
  const out = await place.file('groups')
  const run = await voxplain('explain', place.network, ...scans, '--group', '--lambda1', '1,60', '--out', out, ...STEPS)
  assert.is(run.code, 0)
  const names = ['1', '60'].flatMap((l) =>
    ['json', 'nii.gz', 'png'].map((e) => `group_lambda1-${l}_desc-mask_relevance.${e}`),
  )
  assert.equal((await place.list('groups')).sort(), names)
})

test('a damaged gzip file is told of as before, whichever way it is read', async () => {
  const whole = await readFile(scans[0]!)
  const wrong = Uint8Array.from(whole)
  wrong[wrong.length - 6]! ^= 1
  const damaged = await place.file('damaged.nii.gz', wrong)
  const out = await place.file('damaged')
  assertRefused(
    await voxplain('explain', place.network, damaged, '--out', out, ...STEPS),
    1,
    'damaged.nii.gz',
    'checksum',
  )
  const cut = await place.file('cut.nii.gz', whole.subarray(0, whole.length / 2))
  assertRefused(await voxplain('explain', place.network, cut, '--out', out, ...STEPS), 1, 'cut.nii.gz', 'truncated')
})

test('lists that make no sense are refused', async () => {
  const explain = (...options: string[]) =>
    voxplain('explain', place.network, scans[0]!, '--out', place.folder, ...options)
  assertRefused(await explain('--lambda1', '1,1'), 2, '--lambda1', 'each number once')
  assertRefused(await explain('--lambda1', '1,,2'), 2, '--lambda1', 'a number')
  assertRefused(await explain('--lambda2', '1,-2'), 2, '--lambda2', 'from 0 up')
  assertRefused(await explain('--batch', '0'), 2, '--batch', 'whole number')
})

test.run()
