/** voxplain bids on the three layouts: names and records by the rules of BIDS, what is made and why, the group level. */
import { readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { descriptionFaults } from '../src/io/bids/dataset.ts'
import { nameFault } from '../src/io/bids/names.ts'
import { readVolumeFile } from '../src/io/files.node.ts'
import { sameGrid } from '../src/io/resample.ts'
import { saveNetwork } from '../src/model/formats/format.ts'
import { bidsData, filesOf, leftovers, lineNetwork, readJson, resultsOf, text, writeLine } from './support/bids.ts'
import { makePlace, type Place, tinyScan, voxplain } from './support/cli.ts'
import { withResiduals } from './support/residual.ts'

const test = suite('bids')
let place: Place
let network: string
test.before(async () => {
  place = await makePlace()
  network = await writeLine(place)
})
test.after(() => place.clear())

/** Every file below sub-* has a name that BIDS allows, every volume its sidecar with the keys that are required. */
async function assertSound(out: string, scans: number, descs: readonly string[]): Promise<void> {
  const about = await readJson(out, 'dataset_description.json')
  assert.equal(descriptionFaults(about), [])
  // Sources are URIs of a data set that DatasetLinks names, as a URI itself.
  assert.match(about.DatasetLinks.input, /^file:\/\/\//)
  // What the validator knows at the top, and what it is told to pass over.
  const ignored = (await readFile(join(out, '.bidsignore'), 'utf8')).split('\n').filter(Boolean)
  assert.equal(ignored, ['.voxplain/', '*_relevance.*', 'group/'])
  const others = (await filesOf(out)).filter((name) => !name.startsWith('sub-'))
  assert.equal(
    others.filter((name) => !ignored.some((rule) => rule.endsWith('/') && name.startsWith(rule))),
    ['.bidsignore', 'dataset_description.json'],
  )
  const files = (await filesOf(out)).filter((name) => name.startsWith('sub-'))
  assert.is(files.length, scans * descs.length * 3)
  for (const name of files) assert.is(nameFault(name), undefined)
  for (const name of files.filter((one) => one.endsWith('.nii.gz'))) {
    const sidecar = await readJson(out, name.replace('.nii.gz', '.json'))
    assert.ok(sidecar.Sources.length === 1 && /^bids:input:[^/]/.test(sidecar.Sources[0]), name)
    for (const key of ['Description', 'Method', 'Network', 'Target', 'GeneratedBy', 'key']) assert.ok(sidecar[key], key)
    assert.not.match(JSON.stringify(sidecar), new RegExp(`seconds|${place.folder}`))
  }
}

test('BIDS derivatives: names, sidecars, what is kept, what is stale and why', async () => {
  const data = await bidsData(place, 'Köln data 日本', 3)
  const reference = { SpatialReference: 'https://example.org/template.nii.gz' }
  await text(
    place,
    'Köln data 日本/sub-01/anat/sub-01_space-MNI152_desc-smooth_label-GM_probseg.json',
    JSON.stringify(reference),
  )
  const out = join(place.folder, 'out put ü')
  const words = ['--network', network, '--method', 'saliency,ixg', '--target', 'AD'] as const
  const dry = await voxplain('bids', data, out, 'participant', ...words, '--dry-run')
  assert.is(dry.code, 0, dry.err)
  assert.match(dry.out, /sub-02 inputXGradient: missing\n/)
  assert.match(dry.out, /6 maps would be made \(6 missing, 0 stale\), 0 kept/)
  assert.not.ok(await stat(out).catch(() => undefined), 'a dry run makes nothing')

  const run = await voxplain('bids', data, out, 'participant', ...words)
  assert.is(run.code, 0, run.err)
  await assertSound(out, 3, ['saliency', 'inputXGradient'])
  const about = await readJson(out, 'dataset_description.json')
  assert.is(about.Name, 'Relevance maps of Test')
  assert.equal(about.SourceDatasets[0].DOI, 'doi:10.1/x')
  assert.match(about.GeneratedBy[0].Version, /^\d/)
  const stem = `${out}/sub-01/anat/sub-01_space-MNI152_label-GM_desc-inputXGradient_relevance`
  assert.ok(sameGrid(await readVolumeFile(`${stem}.nii.gz`), tinyScan()))
  const sidecar = await readJson(`${stem}.json`)
  assert.is(sidecar.SpatialReference, reference.SpatialReference)
  assert.equal(sidecar.Sources, ['bids:input:sub-01/anat/sub-01_space-MNI152_desc-smooth_label-GM_probseg.nii.gz'])
  assert.equal([sidecar.Method.Name, sidecar.Target], ['inputXGradient', { index: 1, name: 'AD' }])
  assert.equal(await leftovers(out), [])

  // Again, and in shards: nothing is written.
  const before = await resultsOf(out)
  const time = (await stat(`${stem}.json`)).mtimeMs
  assert.is((await voxplain('bids', data, out, 'participant', ...words)).code, 0)
  assert.is((await stat(`${stem}.json`)).mtimeMs, time)
  const status = JSON.parse((await voxplain('status', out, '--json')).out)
  assert.equal([status.done, status.missing, status.stale, status.failed, status.claimed], [6, 0, 0, 0, 0])

  // What has changed is told, and only that is made again.
  await place.scan('Köln data 日本/sub-02/anat/sub-02_space-MNI152_desc-smooth_label-GM_probseg.nii.gz', tinyScan(9))
  await rm(`${stem}.png`)
  const why = await voxplain('bids', data, out, 'participant', ...words, '--dry-run')
  assert.match(
    why.out,
    /^sub-01 inputXGradient: missing\nsub-02 saliency: stale, changed: scan\nsub-02 inputXGradient: stale, changed: scan\n3 maps/,
  )
  const counts = await voxplain('status', out)
  assert.is(counts.code, 1)
  assert.match(counts.out, /^3 maps done, 1 missing, 2 stale; scans: 0 failed, 0 claimed/)
  const other = await writeLine(place, 6, 'other.safetensors')
  const seeded = await voxplain(
    'bids',
    data,
    out,
    'participant',
    '--network',
    other,
    '--method',
    'ixg',
    '--target',
    'CN',
    '--participant_label',
    'sub-03',
    '--dry_run',
  )
  assert.match(seeded.out, /^sub-03 inputXGradient: stale, changed: network, class\n/)
  assert.is((await voxplain('bids', data, out, 'participant', ...words)).code, 0)
  const after = await resultsOf(out)
  const changed = Object.keys(after).filter((name) => after[name] !== before[name])
  assert.ok(changed.length > 0 && changed.every((name) => name.startsWith('sub-02')), changed.join())

  // Division: the parts are disjoint and together everything, with the same bytes.
  const parts = join(place.folder, 'parts')
  const sizes: number[] = []
  for (const i of [2, 1]) {
    const part = await voxplain('bids', data, parts, 'participant', ...words, '--shard', `${i}/2`)
    assert.is(part.code, 0, part.err)
    sizes.push((await filesOf(parts)).filter((name) => /nii\.gz$/.test(name)).length)
  }
  assert.equal(sizes, [2, 6])
  assert.equal(await resultsOf(parts), after)
})

test('CAPS and CAT12: sessions, labels, covariates of the tables; several classes in desc', async () => {
  const file = (id: string, ses: string, more = '') =>
    `caps/subjects/${id}/${ses}/t1/spm/dartel/group-X/${id}_${ses}_T1w_segm-graymatter_space-Ixi549Space_modulated-on${more}_probability.nii.gz`
  for (const [id, ses, seed] of [
    ['sub-A1', 'ses-M00', 1],
    ['sub-A1', 'ses-M12', 2],
    ['sub-B2', 'ses-M00', 3],
  ] as const) {
    await place.scan(file(id, ses), tinyScan(seed))
    await place.scan(file(id, ses, '_fwhm-8mm'), tinyScan(seed + 10))
  }
  await text(place, 'caps/participants.tsv', 'participant_id\tsex\tage\nsub-A1\tF\t70\nsub-B2\tM\t80\n')
  await text(place, 'caps/subjects/sub-A1/sub-A1_sessions.tsv', 'session_id\tage\nses-M00\t70\nses-M12\t71\n')
  const residual = await place.file('residual.safetensors', saveNetwork(await withResiduals(lineNetwork(), tinyScan)))
  const [caps, out] = [join(place.folder, 'caps'), join(place.folder, 'caps-out')]
  const words = ['--network', residual, '--method', 'ixg', '--target', 'AD,CN'] as const
  const run = await voxplain('bids', caps, out, 'participant', ...words, '--session-label', 'M00', 'M12')
  assert.is(run.code, 0, run.err)
  await assertSound(out, 3, ['inputXGradientAD', 'inputXGradientCN'])
  const of = (id: string, ses: string) =>
    readJson(out, `${id}/${ses}/anat/${id}_${ses}_space-Ixi549Space_label-GM_desc-inputXGradientAD_relevance.json`)
  assert.equal((await of('sub-A1', 'ses-M12')).Covariates, { age: 71, sex: 1 })
  assert.equal((await of('sub-B2', 'ses-M00')).Covariates, { age: 80, sex: 0 })
  const smooth = await voxplain('bids', caps, out, 'participant', ...words, '--fwhm', '8', '--dry-run')
  assert.match(smooth.out, /6 maps would be made \(0 missing, 6 stale\)/)
  // A covariate that is missing is that scan's fault alone.
  await text(place, 'caps/participants.tsv', 'participant_id\tsex\tage\nsub-A1\tF\t70\nsub-B2\tn/a\t80\n')
  const fault = await voxplain('bids', caps, join(place.folder, 'caps-2'), 'participant', ...words)
  assert.is(fault.code, 1)
  assert.match(fault.err, /1 failed:\n.*sub-B2 ses-M00 \(line 3\): no sex, which the network needs/)

  await place.scan('cat/mri/mwp1sub-07_T1w.nii', tinyScan(1))
  await place.scan('cat/mri/mwp1Zoe.nii', tinyScan(2))
  const cat = await voxplain(
    'bids',
    join(place.folder, 'cat'),
    join(place.folder, 'cat-out'),
    'participant',
    '--network',
    network,
    '--method',
    'ixg',
  )
  assert.is(cat.code, 0, cat.err)
  const names = (await filesOf(join(place.folder, 'cat-out'))).filter((name) => /nii\.gz$/.test(name))
  assert.equal(names, [
    'sub-07/anat/sub-07_label-GM_desc-inputXGradient_relevance.nii.gz',
    'sub-Zoe/anat/sub-Zoe_label-GM_desc-inputXGradient_relevance.nii.gz',
  ])
  await assertSound(join(place.folder, 'cat-out'), 2, ['inputXGradient'])
})

test.run()
