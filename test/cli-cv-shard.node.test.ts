/** voxplain cv --shard: parts of one study, made apart, are the study of one process. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { partsOf } from '../src/cli/cv-shared.ts'
import { filesOf, leftovers, resultsOf } from './support/bids.ts'
import { assertRefused, makePlace, type Place, tinyScan, voxplain } from './support/cli.ts'

const test = suite('cv in shards')
let place: Place
let table: string
test.before(async () => {
  place = await makePlace()
  table = join(place.folder, 'table.tsv')
  const rows = Array.from({ length: 8 }, (_, n) => `sub-${n}\t${n % 2 ? 'AD' : 'CN'}\tsub-${n}.nii.gz\n`)
  for (const n of rows.keys()) await place.scan(`sub-${n}.nii.gz`, tinyScan(n + 1))
  await writeFile(table, `participant_id\tdiagnosis\tpath\n${rows.join('')}`)
})
test.after(() => place.clear())

test('shards have every part once, in the order of folds and runs', () => {
  const all = [0, 1, 2].flatMap((fold) => [0, 1].map((run) => ({ fold, run })))
  assert.equal(partsOf(all, undefined), all)
  assert.equal(partsOf(all, { index: 3, of: 6 }), [{ fold: 1, run: 0 }])
  const divided = [1, 2, 3, 4].flatMap((index) => partsOf(all, { index, of: 4 }))
  assert.is(divided.length, 6)
  assert.is(new Set(divided.map(({ fold, run }) => `${fold}.${run}`)).size, 6)
  assert.equal(partsOf(all, { index: 8, of: 8 }), [])
})

test('in any order, then the summary: the bytes of one process', async () => {
  await writeFile(join(place.folder, 'net.json'), JSON.stringify({ name: 'line', layers: LINE }))
  const cv = (out: string, ...words: string[]) =>
    voxplain(
      ...['cv', table, '--folds', '2', '--epochs', '2', '--batch', '4', '--draws', '100', ...words],
      ...['--architecture', join(place.folder, 'net.json'), '--out', join(place.folder, out)],
    )
  assertRefused(await cv('both', '--shard', '1/2', '--resume'), 2, 'cannot be used with')
  const whole = await cv('whole')
  assert.is(whole.code, 0, whole.err)
  const second = await cv('apart', '--shard', '2/2')
  assert.is(second.code, 0, second.err)
  assert.match(second.out, /^1 networks of this part are there in /)
  const network = join(place.folder, 'apart/fold-1/run-0/network.safetensors')
  const bytes = await readFile(network)
  assert.not.ok((await filesOf(join(place.folder, 'apart'))).some((name) => /^(fold-0|summary)/.test(name)))
  // What a process leaves that is killed while it trains.
  await place.file('apart/fold-0/run-0/.claim.1', new TextEncoder().encode('{"host":"nowhere"'))
  await place.file('apart/.0123456789abcdef01.tmp', new TextEncoder().encode('half'))
  assert.is((await cv('apart', '--shard', '1/2')).code, 0)
  assert.is((await cv('apart', '--shard', '2/2')).code, 0)
  assert.equal(await readFile(network), bytes)
  const other = await cv('apart', '--shard', '2/2', '--seed', '9')
  assert.is(other.code, 2)
  assert.match(other.err, /holds another cross-validation: split was/)
  const summary = await cv('apart', '--resume')
  assert.is(summary.code, 0, summary.err)
  const results = async (name: string) => {
    const { 'times.tsv': _, ...rest } = await resultsOf(join(place.folder, name))
    return rest
  }
  assert.equal(await results('apart'), await results('whole'))
  assert.equal(await leftovers(join(place.folder, 'apart')), [])
})

const LINE = [
  { type: 'flatten', name: 'flat' },
  { type: 'dense', name: 'out', units: 'classes' },
]

test.run()
