/** voxplain bids: the group level, damaged and malicious input, refusals. */
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { readVolumeFile } from '../src/io/files.node.ts'
import { parseTsv } from '../src/io/tsv.ts'
import { bidsData, filesOf, leftovers, text, writeLine } from './support/bids.ts'
import { assertRefused, makePlace, type Place, SIZE, tinyScan, voxplain } from './support/cli.ts'

const test = suite('bids groups and refusals')
let place: Place
let network: string
test.before(async () => {
  place = await makePlace()
  network = await writeLine(place)
})
test.after(() => place.clear())

test('group: means over participants, t, groups of the table, regions, a page; kept while nothing changes', async () => {
  const data = await bidsData(place, 'group-data', 4)
  const out = join(place.folder, 'group-out')
  assert.is(
    (await voxplain('bids', data, out, 'participant', '--network', network, '--method', 'ixg', '--target', 'AD')).code,
    0,
  )
  const labels = Float32Array.from(tinyScan().data, (_, n) => 1 + Number(n % SIZE[0] < SIZE[0] / 2))
  const atlas = await place.scan('atlas.nii.gz', { ...tinyScan(), data: labels })
  await text(place, 'atlas.tsv', 'index\tname\n1\tright\n2\tleft\n')
  const run = await voxplain('bids', data, out, 'group', '--atlas', atlas)
  assert.is(run.code, 0, run.err)
  const maps = await Promise.all(
    [1, 2, 3, 4].map((k) =>
      readVolumeFile(`${out}/sub-0${k}/anat/sub-0${k}_space-MNI152_label-GM_desc-inputXGradient_relevance.nii.gz`),
    ),
  )
  const at = maps.map(({ data: values }) => values[1098]!)
  const mean = at.reduce((a, b) => a + b) / 4
  const read = async (name: string) => (await readVolumeFile(join(out, 'group', name))).data[1098]!
  assert.ok(Math.abs((await read('group_desc-inputXGradient_stat-mean_relevance.nii.gz')) - mean) < 1e-6)
  const spread = Math.sqrt(at.reduce((sum, v) => sum + (v - mean) ** 2, 0) / 3 / 4)
  assert.ok(Math.abs((await read('group_desc-inputXGradient_stat-t_relevance.nii.gz')) - mean / spread) < 1e-3)
  assert.ok(
    Math.abs((await read('group-AD_desc-inputXGradient_stat-mean_relevance.nii.gz')) - (at[1]! + at[3]!) / 2) < 1e-6,
  )
  assert.ok((await filesOf(join(out, 'group'))).includes('group-CNVsAD_desc-inputXGradient_stat-t_relevance.nii.gz'))
  const table = parseTsv(await readFile(join(out, 'group/group_desc-inputXGradient_stat-mean_regions.tsv'), 'utf8'))
  assert.equal(
    table.rows.map(({ name }) => name),
    ['right', 'left'],
  )
  const people = parseTsv(await readFile(join(out, 'group/group_desc-inputXGradient_participants-regions.tsv'), 'utf8'))
  assert.equal(
    people.rows.map(({ group }) => group),
    ['CN', 'AD', 'CN', 'AD'],
  )
  assert.match(await readFile(join(out, 'group/index.html'), 'utf8'), /All participants, mean of 4/)
  assert.match((await voxplain('bids', data, out, 'group', '--atlas', atlas)).err, /is there already/)
  assert.is(
    (
      await voxplain(
        'bids',
        data,
        out,
        'participant',
        '--network',
        network,
        '--method',
        'ixg',
        '--target',
        'CN',
        '--participant-label',
        '01',
      )
    ).code,
    0,
  )
  assert.is((await voxplain('bids', data, out, 'group')).code, 0)
  // Maps of two classes are never averaged.
  assert.ok(
    (await filesOf(join(out, 'group'))).includes('group_desc-inputXGradientTargetCN_stat-mean_relevance.nii.gz'),
  )
})

test('unreadable scans, and names that would lead elsewhere: told at the end, the rest is done', async () => {
  const data = await bidsData(place, 'bad', 4)
  await writeFile(`${data}/sub-02/anat/sub-02_space-MNI152_desc-smooth_label-GM_probseg.nii.gz`, 'no volume')
  const rows = `${await readFile(`${data}/participants.tsv`, 'utf8')}../../evil\t70\tF\tAD\n/abs\t70\tF\tAD\nsub-05\t70\tF\tAD\n`
  await writeFile(`${data}/participants.tsv`, rows)
  const out = join(place.folder, 'bad-out')
  const outside = join(place.folder, 'outside')
  await mkdir(out)
  await mkdir(outside)
  // A link in the place of a participant's folder.
  await symlink(outside, join(out, 'sub-03'))
  const before = (await filesOf(place.folder)).filter((name) => !name.startsWith('bad-out'))
  const run = await voxplain('bids', data, out, 'participant', '--network', network, '--method', 'ixg')
  assert.is(run.code, 1)
  assert.match(run.err, /4 failed:\n/)
  assert.match(run.err, /sub-02_.*nii\.gz .*(NIfTI|bytes|header)/)
  assert.match(run.err, /\.\.\/\.\.\/evil.*holds a slash/)
  assert.match(run.err, /sub-03 is a link that leads out of the output folder/)
  assert.match(run.err, /1 without a grey-matter map are passed over: sub-05/)
  const made = (await filesOf(out)).filter((name) => /nii\.gz$/.test(name)).map((name) => name.slice(0, 6))
  assert.equal(made, ['sub-01', 'sub-04'])
  assert.equal(await filesOf(outside), [])
  assert.equal(
    (await filesOf(place.folder)).filter((name) => !name.startsWith('bad-out')),
    before,
  )
  assert.equal(await leftovers(out), [])
  const status = JSON.parse((await voxplain('status', out, '--json')).out)
  assert.ok(/volume|NIfTI|short|truncated/.test(status.failures['sub-02']), status.failures['sub-02'])
  // Mended: the failure is forgotten.
  await place.scan('bad/sub-02/anat/sub-02_space-MNI152_desc-smooth_label-GM_probseg.nii.gz', tinyScan(2))
  await voxplain('bids', data, out, 'participant', '--network', network, '--method', 'ixg')
  assert.is(JSON.parse((await voxplain('status', out, '--json')).out).failures['sub-02'], undefined)
})

test('refusals', async () => {
  const data = await bidsData(place, 'few', 1)
  const out = join(place.folder, 'refused')
  const bids = (...words: string[]) => voxplain('bids', data, out, ...words)
  const net = ['--network', network]
  assertRefused(await bids('participant'), 2, '--network')
  assertRefused(await bids('everyone', ...net), 2, 'participant', 'group')
  assertRefused(await bids('participant', ...net, '--shard', '0/4'), 2, 'counted from 1')
  assertRefused(await bids('participant', ...net, '--participant-label', '99'), 2, 'no participant 99')
  assertRefused(await bids('participant', ...net, '--lambda1', '1,2'), 2, 'several lambdas')
  assertRefused(await bids('group'), 2, 'no maps')
  assertRefused(await voxplain('bids', join(place.folder, 'nowhere'), out, 'participant', ...net), 2, 'does not exist')
  assertRefused(await voxplain('status', data), 2, 'no output folder')
  const file = await text(place, 'a-file', '')
  assertRefused(
    await voxplain('bids', data, join(file, 'x'), 'participant', ...net, '--method', 'ixg'),
    2,
    'cannot be written',
  )
  assertRefused(await voxplain('bids', data, data, 'participant', ...net, '--method', 'ixg'), 2, 'of another data set')
})

test.run()
