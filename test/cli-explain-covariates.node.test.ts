/** Covariates on the command line: of single scans, of a cohort's table, for predict, evaluate and explain. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { parseTsv } from '../src/io/tsv.ts'
import { initialise } from '../src/model/architectures.ts'
import { validateDescription } from '../src/model/description.ts'
import { saveNetwork } from '../src/model/formats/format.ts'
import { plainRecipe } from '../src/model/recipe/recipe.ts'
import { assertRefused, makePlace, type Place, SIZE, tinyScan, voxplain } from './support/cli.ts'
import { withResiduals } from './support/residual.ts'

const test = suite('covariates on the command line')
let place: Place
let network: string
let lenient: string
let table: string
let scans: string[]
test.before(async () => {
  place = await makePlace()
  const layers = [
    { name: 'flat', type: 'flatten' },
    { name: 'out', type: 'dense', units: 2 },
  ]
  const recipe = { ...plainRecipe(2), classes: ['CN', 'AD'] }
  const head = { format: 'voxplain-network', version: 1, name: 'line', output: 'logits' }
  const plain = initialise(validateDescription({ ...head, input: [1, ...SIZE], layers, recipe }), 5)
  network = await place.file('residual.safetensors', saveNetwork(await withResiduals(plain, tinyScan)))
  lenient = await place.file('lenient.safetensors', saveNetwork(await withResiduals(plain, tinyScan, 'mean')))
  // Two scans with one name in folders of their own.
  scans = [
    await place.scan('scans/a/gm.nii.gz', tinyScan(1)),
    await place.scan('scans/b/gm.nii', tinyScan(2)),
    await place.scan('scans/c.nii', tinyScan(3)),
  ]
  table = await write('cohort.tsv', [
    'sub-a\t71\tF\tAD\tscans/a/gm.nii.gz',
    'sub-b\t62\tM\tCN\tscans/b/gm.nii',
    'c\t66\tF\tCN\tscans/c.nii',
  ])
})
test.after(() => place.clear())

const HEAD = 'participant_id\tage_bl\tgender\tdiagnosis\tpath'

async function write(name: string, rows: readonly string[], head = HEAD): Promise<string> {
  const path = join(place.folder, name)
  await writeFile(path, `${[head, ...rows].join('\n')}\n`)
  return path
}

const scansOf = (run: { out: string }) => JSON.parse(run.out).scans

test('predict, evaluate and explain see the same covariates, from the table or from the command line', async () => {
  const cohort = await voxplain('predict', network, table, '--json')
  assert.is(cohort.code, 0, cohort.err)
  const rows = scansOf(cohort)
  assert.equal(
    rows.map((row: { participant: string }) => row.participant),
    ['sub-a', 'sub-b', 'c'],
  )
  const single = async (scan: string, values: string) =>
    scansOf(await voxplain('predict', network, scan, '--covariates', values, '--json'))[0].logits
  assert.equal(await single(scans[0]!, 'age=71,sex=F'), rows[0].logits)
  assert.equal(await single(scans[1]!, 'gender=male,age=62'), rows[1].logits)
  assert.not.equal(await single(scans[0]!, 'age=65,sex=F'), rows[0].logits)

  const out = await place.file('evaluation')
  const evaluated = await voxplain('evaluate', network, table, '--draws', '100', '--out', out)
  assert.is(evaluated.code, 0, evaluated.err)
  const found = parseTsv(await readFile(join(out, 'predictions_cohort.tsv'), 'utf8')).rows
  found.forEach((row, n) => {
    assert.ok(Math.abs(Number(row.proba1) - rows[n].probabilities[1]) < 1e-6)
  })

  const maps = await place.file('maps')
  const methods = ['--method', 'saliency,mask:iterations=2:resolution=4'] as const
  const explained = await voxplain('explain', network, table, ...methods, '--out', maps, '--json')
  assert.is(explained.code, 0, explained.err)
  const names = ['sub-a', 'sub-b', 'sub-c'].flatMap((who) => ['saliency', 'mask'].map((m) => `${who}_desc-${m}`))
  assert.equal(
    (await place.list('maps')).sort(),
    names.flatMap((name) => ['json', 'nii.gz', 'png'].map((e) => `${name}_relevance.${e}`)).sort(),
  )
  for (const [n, who] of ['sub-a', 'sub-b', 'sub-c'].entries()) {
    for (const method of ['saliency', 'mask']) {
      const record = JSON.parse(await readFile(join(maps, `${who}_desc-${method}_relevance.json`), 'utf8'))
      assert.ok(Math.abs(record.scans[0].before.AD - rows[n].probabilities[1]) < 1e-6, `${who} ${method}`)
      assert.equal(record.covariates, [
        [
          { age: 71, sex: 1 },
          { age: 62, sex: 0 },
          { age: 66, sex: 1 },
        ][n],
      ])
    }
  }
  // Other covariates are other maps: nothing is kept of the scan whose age changes.
  const older = await write('cohort.tsv', [
    'sub-a\t72\tF\tAD\tscans/a/gm.nii.gz',
    'sub-b\t62\tM\tCN\tscans/b/gm.nii',
    'c\t66\tF\tCN\tscans/c.nii',
  ])
  const again = scansOf(await voxplain('explain', network, older, '--method', 'saliency', '--out', maps, '--json'))
  assert.equal(
    again.map((one: { kept?: boolean }) => one.kept),
    [undefined, true, true],
  )
})

test('a covariate that is missing: refused in one line, or the mean where the network allows it', async () => {
  const out = await place.file('refused')
  const one = (...rest: string[]) => voxplain('predict', network, scans[0]!, ...rest)
  assertRefused(await one(), 2, 'needs covariates', 'age (years)', 'sex', '--covariates age=...,sex=...')
  assertRefused(await one('--covariates', 'age=71'), 2, 'this one is missing: sex')
  assertRefused(await one('--covariates', 'age=old,sex=F'), 2, 'age "old"')
  assertRefused(await one('--covariates', 'age,sex'), 2, 'single scans need values', 'age=71')
  assertRefused(await one('--covariates', 'age=71,sex=1'), 2, 'sex', 'write M or F')
  assertRefused(await voxplain('explain', network, scans[0]!, '--out', out), 2, 'needs covariates')
  assertRefused(await voxplain('predict', network, table, '--covariates', 'age=71'), 2, 'is a table')
  assertRefused(await voxplain('predict', network, table, scans[0]!), 2, 'one table')
  const gap = await write('gap.tsv', ['a\tn/a\tF\tAD\tscans/c.nii', 'b\t70\tM\tCN\tscans/b/gm.nii'])
  assertRefused(await voxplain('predict', network, gap), 2, 'gap.tsv', 'without the covariate age', 'a (line 2)')
  assertRefused(await voxplain('predict', network, gap, '--missing', 'mean'), 2, '--missing mean', 'drop')
  const dropped = await voxplain('predict', network, gap, '--missing', 'drop', '--json')
  assert.is(scansOf(dropped).length, 1)
  const bare = await write('bare.tsv', ['a\tscans/c.nii'], 'participant_id\tpath')
  assertRefused(await voxplain('predict', network, bare), 2, 'bare.tsv', 'no column', 'age')
  for (const given of [[gap], [bare], [scans[0]!]]) {
    const { code, err } = await voxplain('predict', lenient, ...given)
    assert.is(code, 0, err)
    assert.match(err, /age is missing: the mean of the training controls/)
  }
})

test('a network without covariates takes a table too, and says that they make no difference', async () => {
  const run = await voxplain('predict', place.network, scans[0]!, '--covariates', 'age=71')
  assert.is(run.code, 0, run.err)
  assert.match(run.err, /--covariates makes no difference/)
})

test.run()
