/** Tables that would lead elsewhere, by names or by links: no command writes outside the folder that it was given. */
import { mkdir, readFile, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { filesOf, resultsOf, text } from './support/bids.ts'
import { assertRefused, makePlace, type Place, tinyScan, voxplain } from './support/cli.ts'

const test = suite('outside')
let place: Place
/** All files that are not in results/, which is where commands may write. */
let before: Record<string, string>
const EVIL = ['../../evil', '/abs/evil', '..', 'a/../../evil', '..\\..\\evil', '.hidden', 'sub-7', 'sub-8']
const SMALL = ['--epochs', '1', '--batch', '4']
const label = (k: number) => (k % 2 ? 'AD' : 'CN')
const out = (name: string) => join(place.folder, 'results', name)
const table = (name: string) => join(place.folder, 'data', name)

test.before(async () => {
  place = await makePlace()
  // The scans lie elsewhere, and the tables lead to them by absolute links behind detours.
  await mkdir(join(place.folder, 'data', 'in'), { recursive: true })
  for (const [k] of EVIL.entries()) {
    const scan = await place.scan(`scans/${k}.nii.gz`, tinyScan(k + 1))
    await symlink(scan, join(place.folder, 'data', 'in', `link-${k}.nii.gz`))
  }
  const rows = (name: (k: number) => string) =>
    EVIL.map((_, k) => `${name(k)}\t${label(k)}\tin/../../data/in/link-${k}.nii.gz\n`).join('')
  const head = 'participant_id\tdiagnosis\tpath\n'
  await text(place, 'data/names.tsv', head + rows((k) => EVIL[k]!))
  await text(place, 'data/links.tsv', head + rows((k) => `sub-${k}`))
  await text(place, 'data/sessions.tsv', head.replace('\t', '\tsession_id\t') + rows((k) => `sub-${k}\t../../ses-${k}`))
  await mkdir(join(place.folder, 'results'))
  before = await around()
})
test.after(() => place.clear())

async function around(): Promise<Record<string, string>> {
  const all = Object.entries(await resultsOf(place.folder))
  return Object.fromEntries(all.filter(([name]) => !name.startsWith('results/')))
}

test('names with a slash or a dot are refused by every command that takes a table, before any work', async () => {
  const networks = join('results', 'networks')
  for (const part of ['fold-0/run-0', 'fold-0/run-1', 'fold-1/run-0', 'fold-1/run-1']) {
    const rows = EVIL.map((name, k) => `${name}\t${label(k)}\tCN\t0.6\t0.4\n`)
    const head = 'participant_id\ttrue_label\tpredicted_label\tproba0\tproba1\n'
    await text(place, `${networks}/${part}/predictions.tsv`, head + rows.join(''))
    await place.file(`${networks}/${part}/network.safetensors`, await readFile(place.network))
    await text(place, `${networks}/${part}/metrics.json`, '{}')
  }
  const labels = Float32Array.from(tinyScan().data, (_, n) => 1 + (n % 2))
  const atlas = await place.scan('results/atlas.nii', { ...tinyScan(), data: labels })
  await text(place, 'results/atlas.tsv', 'index\tname\n1\tone\n2\ttwo\n')
  const study = ['--networks', join(place.folder, networks), '--atlas', atlas, '--out', out('study')]
  const there = await filesOf(join(place.folder, 'results'))
  for (const name of ['names.tsv', 'sessions.tsv']) {
    for (const argv of [
      ['explain', place.network, table(name), '--method', 'saliency', '--target', 'AD', '--out', out('maps')],
      ['train', table(name), '--out', out('net.safetensors'), ...SMALL],
      ['cv', table(name), '--folds', '2', '--out', out('cv'), ...SMALL],
      ['cv', table(name), '--folds', '2', '--out', out('cv'), ...SMALL, '--shard', '1/2'],
      ['study', 'robustness', table(name), ...study],
    ]) {
      assertRefused(await voxplain(...argv), 2, 'names that cannot be part of a file name', 'holds a slash')
    }
  }
  assert.equal(await filesOf(join(place.folder, 'results')), there)
  assert.equal(await around(), before)
})

test('links in a table are read, and results lie in the folder; a link in the place of a result is not followed', async () => {
  await mkdir(out('maps'), { recursive: true })
  const victim = join(place.folder, 'scans', '0.nii.gz')
  await symlink(victim, join(out('maps'), 'link-0_desc-saliency_relevance.nii.gz'))
  const words = ['--method', 'saliency', '--target', 'AD', '--out', out('maps')]
  const run = await voxplain('explain', place.network, table('links.tsv'), ...words)
  assert.is(run.code, 0, run.err)
  const maps = (await filesOf(out('maps'))).filter((name) => name.endsWith('.nii.gz'))
  assert.equal(
    maps,
    EVIL.map((_, k) => `link-${k}_desc-saliency_relevance.nii.gz`),
  )
  assert.equal(await around(), before)
})

test.run()
