/** Names of BIDS derivatives and the description of a data set. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { datasetDescription, descriptionFaults, pathOfSource, sourceUri } from '../src/io/bids/dataset.ts'
import { anatFolder, bidsName, entitiesOf, labelOf, nameFault, sourceEntities } from '../src/io/bids/names.ts'

const test = suite('bids names')

test('what is made of a source keeps its entities, in order, but for desc', () => {
  const name = (file: string, ses?: string) => bidsName({ ...sourceEntities(file, '01', ses), desc: 'ig' }, 'relevance')
  assert.is(
    name('sub-01_ses-2_run-1_space-MNI152NLin2009cAsym_res-2_desc-smooth_label-GM_probseg.nii.gz', '2'),
    'sub-01_ses-2_run-1_space-MNI152NLin2009cAsym_res-2_label-GM_desc-ig_relevance',
  )
  assert.is(
    name('sub-01_ses-M00_T1w_segm-graymatter_space-Ixi549Space_modulated-on_fwhm-8mm_probability.nii.gz', 'M00'),
    'sub-01_ses-M00_space-Ixi549Space_label-GM_desc-ig_relevance',
  )
  assert.is(name('mwp1sub-01_acq-mprage_T1w.nii'), 'sub-01_acq-mprage_label-GM_desc-ig_relevance')
  assert.is(name('smwp1anything at all.nii'), 'sub-01_label-GM_desc-ig_relevance')
  // A table's participant goes before the file's.
  assert.is(name('sub-99_label-GM_probseg.nii'), 'sub-01_label-GM_desc-ig_relevance')
  assert.equal(entitiesOf('sub-01_odd-x_run-a.b_T1w.nii'), { sub: '01' })
})

test('labels', () => {
  assert.equal(
    ['sub-01', 'O’Neil 7', 'Zoë', '../x', '日本'].map((name) => labelOf(name, 'sub-')),
    ['01', 'ONeil7', 'Zoe', 'x', ''],
  )
  assert.throws(() => bidsName({ sub: '../01' }), /letters and digits/)
  assert.throws(() => bidsName({ ses: '1' }), /needs a participant/)
  assert.is(anatFolder({ sub: '01', ses: '2' }), 'sub-01/ses-2/anat')
})

test('names that break the rules are found', () => {
  assert.is(nameFault('sub-01/ses-2/anat/sub-01_ses-2_label-GM_desc-ig_relevance.nii.gz'), undefined)
  for (const [path, fault] of [
    ['sub-01/anat/sub-01_desc-ig_label-GM_relevance.nii.gz', /out of order/],
    ['sub-01/anat/sub-01_desc-a_desc-b_relevance.json', /out of order or there twice/],
    ['sub-01/anat/sub-01_target-AD_relevance.nii.gz', /no entity/],
    ['sub-01/anat/sub-01_desc-a-b_relevance.nii.gz', /no entity/],
    ['sub-01/sub-01_desc-a_relevance.nii.gz', /belongs into sub-01\/anat/],
    ['sub-02/anat/sub-01_desc-a_relevance.nii.gz', /belongs into sub-01\/anat/],
    ['sub-01/anat/desc-a_relevance.nii.gz', /no sub/],
    ['sub-01/anat/sub-01.nii.gz', /is not/],
  ] as const) {
    assert.match(nameFault(path) ?? '', fault, path)
  }
})

test('the description of a data set, and links to its sources', () => {
  const about = datasetDescription({
    version: '1.2.3',
    source: 'file:///data',
    sourceDescription: { Name: 'A', Version: '2', License: 'CC0' },
  })
  assert.equal(descriptionFaults(about), [])
  assert.equal([about.Name, about.License, about.GeneratedBy[0]!.Version], ['Relevance maps of A', 'CC0', '1.2.3'])
  assert.equal(about.SourceDatasets, [{ URL: 'file:///data', Version: '2' }])
  assert.equal(descriptionFaults({ BIDSVersion: '1', SourceDatasets: [{}] }).length, 5)
  assert.is(pathOfSource(sourceUri('sub-01/anat/a.nii')), 'sub-01/anat/a.nii')
  for (const uri of ['bids:input:../a', 'bids:input:/a', 'bids:other:a', 'a', 'bids:input:x/../../a']) {
    assert.throws(() => pathOfSource(uri), /is no file of the source/)
  }
})

test.run()
