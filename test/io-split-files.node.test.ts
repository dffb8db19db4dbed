/** Folders of splits. */
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { readSplitFolder } from '../src/io/cohort/split-files.node.ts'
import { folderSuite, put, refuses } from './support/cohort-files.ts'

const test = folderSuite('split folders')

test('folders of splits as ClinicaDL writes them', async ({ folder }) => {
  const set = (path: string, ...ids: string[]) =>
    put(
      join(folder, path),
      ['participant_id\tsession_id\tdiagnosis', ...ids.map((id) => `${id}\tses-M0\tCN`)].join('\n'),
    )
  await set('split-0/train.tsv', 'sub-1', 'sub-2')
  await set('split-0/validation_baseline.tsv', 'sub-3')
  await set('split-10/train.tsv', 'sub-3')
  await set('split-10/validation.tsv', 'sub-1')
  await set('split-2/train.tsv', 'sub-3')
  await set('split-2/validation.tsv', 'sub-2')
  await set('split-2/test.tsv', 'sub-8')
  await set('test_baseline.tsv', 'sub-9')
  const splits = await readSplitFolder(folder)
  assert.equal(
    splits.map((split) => split.name),
    ['split-0', 'split-2', 'split-10'],
  )
  assert.equal(splits[0], {
    name: 'split-0',
    train: [
      { participant: 'sub-1', session: 'ses-M0' },
      { participant: 'sub-2', session: 'ses-M0' },
    ],
    validation: [{ participant: 'sub-3', session: 'ses-M0' }],
    test: [{ participant: 'sub-9', session: 'ses-M0' }],
  })
  assert.equal(splits[1]!.test, [{ participant: 'sub-8', session: 'ses-M0' }])
  await put(join(folder, 'split-3/train.tsv'), 'participant_id\n1\n')
  await refuses(readSplitFolder(folder), /split-3 has no validation\.tsv or validation_baseline\.tsv/)
  await put(join(folder, 'split-3/validation.tsv'), 'id\n1\n')
  await refuses(readSplitFolder(folder), /no column participant_id; it has id/)
  await put(join(folder, 'split-3/validation.tsv'), 'participant_id\tx\nn/a\t1\n')
  await refuses(readSplitFolder(folder), /validation\.tsv, line 2: no participant_id/)
  await refuses(readSplitFolder(join(folder, 'split-0')), /holds no folders split-0/)
  await refuses(readSplitFolder(join(folder, 'none')), /is no folder that can be read/)
})

test.run()
