/** voxplain evaluate: from a network and tables, or from predictions, to numbers, tables and pictures. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { decode } from 'fast-png'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { svgToPng } from '../src/io/chart/chart-png.node.ts'
import { tag, words } from '../src/io/chart/chart-svg.ts'
import { parseTsv } from '../src/io/tsv.ts'
import { assertRefused, makePlace, type Place, tinyScan, voxplain } from './support/cli.ts'

const test = suite('evaluate')
let place: Place
let table: string
let other: string
test.before(async () => {
  place = await makePlace()
  const labels = ['CN', 'AD', 'CN', 'AD', 'MCI', 'CN', 'MCI', 'AD']
  const lines = await Promise.all(
    labels.map(async (label, n) => {
      await place.scan(join('scans', `${n}.nii.gz`), tinyScan(n + 1))
      return `sub-${n >> 1}\tses-${n & 1}\t${label}\tscans/${n}.nii.gz\n`
    }),
  )
  const head = 'participant_id\tsession_id\tdiagnosis\tpath\n'
  table = await write('adni.tsv', head + lines.join(''))
  other = await write('other.tsv', head + lines.slice(0, 4).join(''))
})
test.after(() => place.clear())

async function write(name: string, text: string): Promise<string> {
  const path = join(place.folder, name)
  await writeFile(path, text)
  return path
}

test('cohorts and contrasts: what is printed, written and put out as JSON agrees with predict', async () => {
  const out = join(place.folder, 'out')
  const argv = [
    'evaluate',
    place.network,
    table,
    '--cohort',
    `Site B=${other}`,
    '--contrast',
    'AD:CN,MCI:CN',
    '--out',
    out,
  ]
  const people = await voxplain(...argv, '--draws', '200')
  assert.is(people.code, 0, people.err)
  assert.match(people.out, /^adni: 8 scans of 4 subjects, 2 of them of none of the classes CN, AD$/m)
  assert.match(people.out, /^ +adni +Site B$/m)
  assert.match(people.out, /^AUC +[01]\.\d{3}/m)
  assert.equal((await place.list('out')).sort(), [
    'metrics.json',
    'metrics.tsv',
    'predictions_Site-B.json',
    'predictions_Site-B.tsv',
    'predictions_adni.json',
    'predictions_adni.tsv',
    'roc_AD-vs-CN.png',
    'roc_AD-vs-CN.svg',
    'roc_MCI-vs-CN.png',
    'roc_MCI-vs-CN.svg',
  ])
  const read = (name: string) => readFile(join(out, name), 'utf8')
  const { rows } = parseTsv(await read('predictions_adni.tsv'))
  const scans = rows.map((_, n) => join(place.folder, 'scans', `${n}.nii.gz`))
  const predicted = JSON.parse((await voxplain('predict', place.network, ...scans, '--json')).out).scans
  rows.forEach((row, n) => {
    assert.ok(Math.abs(Number(row.proba1) - predicted[n].probabilities[1]) < 1e-6)
    assert.is(row.predicted_label, predicted[n].predicted)
    assert.equal([row.participant_id, row.session_id], [`sub-${n >> 1}`, `ses-${n & 1}`])
  })
  // The area by counting pairs.
  const of = (label: string) => rows.filter((row) => row.true_label === label).map((row) => Number(row.proba1))
  const pairs = of('AD').flatMap((ad) => of('CN').map((cn) => (ad > cn ? 1 : ad === cn ? 0.5 : 0)))
  const auc = pairs.reduce((a: number, b) => a + b, 0) / pairs.length
  const document = JSON.parse(await read('metrics.json'))
  assert.ok(Math.abs(document.cohorts[0].contrasts[0].auc.value - auc) < 1e-12)
  assert.equal(document.cohorts[1].contrasts[1].positives, { scans: 0, subjects: 0 })
  assert.not.match(await read('metrics.json'), /NaN/)
  assert.not.match(await read('metrics.tsv'), /NaN|undefined/)
  assert.is(parseTsv(await read('metrics.tsv')).rows.length, 2 * 2 * 10)
  assert.match(await read('roc_AD-vs-CN.svg'), />Site B: AUC /)
  const png = decode(await readFile(join(out, 'roc_AD-vs-CN.png')))
  assert.is(png.width, 3 * 460)
  assert.ok(new Set(png.data).size > 20, 'a picture with nothing in it')

  const machine = await voxplain(...argv.slice(0, -2), '--draws', '200', '--json')
  assert.equal(JSON.parse(machine.out).cohorts, document.cohorts)
  assert.is(machine.err, '')

  // What was written can be evaluated again, and names its classes.
  const again = await voxplain(
    ...[
      'evaluate',
      '--predictions',
      join(out, 'predictions_adni.tsv'),
      '--predictions',
      `Site B=${join(out, 'predictions_Site-B.tsv')}`,
    ],
    ...['--contrast', 'AD:CN,MCI:CN', '--draws', '200', '--json'],
  )
  const found = JSON.parse(again.out)
  assert.equal(found.cohorts[0].classes, ['CN', 'AD'])
  assert.equal(found.cohorts[0].contrasts, document.cohorts[0].contrasts)
})

test("ClinicaDL's predictions with numbers for labels", async () => {
  const head = 'participant_id\tsession_id\ttrue_label\tpredicted_label\tproba0\tproba1\n'
  const rows = [0.9, 0.8, 0.3, 0.4, 0.6, 0.1].map(
    (p, n) => `s${n}\tM00\t${n < 3 ? 0 : 1}\t${p < 0.5 ? 1 : 0}\t${p}\t${1 - p}\n`,
  )
  const file = await write('clinica.tsv', head + rows.join(''))
  const { out, code, err } = await voxplain(
    'evaluate',
    '--predictions',
    file,
    '--classes',
    'CN,AD',
    '--draws',
    '100',
    '--json',
  )
  assert.is(code, 0, err)
  const [contrast] = JSON.parse(out).cohorts[0].contrasts
  assert.is(contrast.name, 'AD vs CN')
  assert.ok(Math.abs(contrast.auc.value - 7 / 9) < 1e-12)
  assert.equal(contrast.counts, { truePositives: 2, falseNegatives: 1, falsePositives: 1, trueNegatives: 2 })
})

test('labels that were grouped for training', async () => {
  const { out, code, err } = await voxplain(
    ...['evaluate', place.network, table, '--label', 'AD=1,MCI=1,CN=0', '--contrast', 'AD:CN,MCI:CN,AD+MCI:CN'],
    ...['--draws', '100', '--json'],
  )
  assert.is(code, 0, err)
  const [cohort] = JSON.parse(out).cohorts
  assert.is(cohort.otherScans, 0)
  assert.equal(
    cohort.contrasts.map((c: { positives: { scans: number } }) => c.positives.scans),
    [3, 2, 5],
  )
  // The class is called AD+MCI, which no scan is labelled.
  const { out: unnamed } = await voxplain(
    ...['evaluate', place.network, table, '--label', 'AD=1,MCI=1,CN=0', '--draws', '100', '--json'],
  )
  const [only] = JSON.parse(unnamed).cohorts[0].contrasts
  assert.equal(only.auc, cohort.contrasts[2].auc)
  assert.equal([only.positives, only.negatives], [cohort.contrasts[2].positives, cohort.contrasts[2].negatives])
})

test('wrong use is refused before the GPU is opened', async () => {
  assertRefused(await voxplain('evaluate'), 2, 'give a network and a cohort', '--predictions')
  assertRefused(await voxplain('evaluate', place.network, table, '--predictions', table), 2, '--predictions alone')
  assertRefused(await voxplain('evaluate', place.network, table, '--contrast', 'AD'), 2, '"AD" is not a contrast')
  assertRefused(await voxplain('evaluate', place.network, table, '--contrast', 'FTD:CN'), 2, 'no scan is labelled FTD')
  assertRefused(
    await voxplain('evaluate', place.network, table, '--contrast', 'MCI:FTD'),
    2,
    'none of MCI, FTD is a class',
  )
  assertRefused(
    await voxplain('evaluate', place.network, table, '--label', 'AD=patient,CN=CN'),
    2,
    'AD is mapped to no class',
  )
  assertRefused(await voxplain('evaluate', place.network, table, '--cohort', table), 2, 'would both be called "adni"')
  assertRefused(await voxplain('evaluate', '--predictions', table), 2, 'has no column "predicted_label"')
  const missing = await write('missing.tsv', 'participant_id\tdiagnosis\tpath\na\tCN\tnone.nii\n')
  assertRefused(await voxplain('evaluate', place.network, missing), 2, 'missing.tsv', 'a (line 2)')
  const other = await write('other.tsv', 'participant_id\tdiagnosis\tpath\na\tFTD\tscans/0.nii.gz\n')
  assertRefused(
    await voxplain('evaluate', place.network, other),
    2,
    'no scan is labelled CN or AD; labels there are: FTD',
    '--label',
  )
  const unlabelled = await write('unlabelled.tsv', 'participant_id\tpath\na\tscans/0.nii.gz\n')
  assertRefused(await voxplain('evaluate', place.network, unlabelled), 2, 'no column of labels')
})

test('PNG: text is drawn without any font of the system; Greek too; what is no picture is refused', async () => {
  const draw = async (text: string) => {
    const root = { xmlns: 'http://www.w3.org/2000/svg', width: 120, height: 30 }
    const svg = tag('svg', root, tag('rect', { width: 120, height: 30, fill: '#ffffff' }), words(text, 5, 20))
    const { data, width } = decode(await svgToPng(svg, 2))
    assert.is(width, 240)
    return Array.from(data).reduce((sum, value) => sum + (255 - value), 0)
  }
  const [none, latin, greek] = [await draw(''), await draw('iiii'), await draw('λλλλ')]
  assert.is(none, 0)
  assert.ok(latin > 0 && greek > latin)
  let message = ''
  await svgToPng('no picture').catch((error: Error) => (message = error.message))
  assert.match(message, /not an SVG picture/)
})

test.run()
