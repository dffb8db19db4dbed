/** The demo in its quick form: all files are there, whole, and say something finite. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { readVolumeFile } from '../src/io/files.node.ts'
import { parseTsv } from '../src/io/tsv.ts'
import { loadNetwork } from '../src/model/formats/format.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const out = mkdtempSync(join(tmpdir(), 'voxplain-demo-'))
const demo = suite('demo')
demo.after(() => rmSync(out, { recursive: true }))

const text = (name: string) => readFileSync(join(out, name), 'utf8')

demo('runs to its end and says what it did', () => {
  const args = ['--import', 'tsx', 'scripts/demo.ts', '--quick', '--out', out]
  const { status, stdout, stderr } = spawnSync(process.execPath, args, {
    cwd: root,
    encoding: 'utf8',
    timeout: 170_000,
  })
  assert.is(status, 0, stderr)
  for (const phase of ['phantom cohort', 'training', 'prediction', 'mask of sub-', 'group mask']) {
    assert.match(stdout, new RegExp(`^  ${phase}.* \\d+\\.\\d s   \\S`, 'm'))
  }
  assert.not.match(stdout, /NaN|undefined|Infinity/)
})

demo('leaves all files and no temporary ones', () => {
  const names = readdirSync(out).sort()
  assert.equal(names, ['index.html', 'masks', 'network.safetensors', 'phantom', 'predictions.tsv'])
  const masks = readdirSync(join(out, 'masks'))
  assert.is(masks.filter((name) => name.endsWith('_desc-mask_relevance.nii.gz')).length, 3)
  assert.is(masks.filter((name) => name.endsWith('.png')).length, 6)
  assert.is(masks.length, 9)
})

demo('maps lie on the grid of the scans, with values in [0, 1]', async () => {
  const folder = join(out, 'phantom')
  const { rows } = parseTsv(text('phantom/participants.tsv'))
  const scan = await readVolumeFile(join(folder, rows[0]!.path!))
  for (const name of readdirSync(join(out, 'masks')).filter((n) => n.endsWith('.nii.gz'))) {
    const map = await readVolumeFile(join(out, 'masks', name))
    assert.equal(map.shape, scan.shape)
    assert.equal(map.affine, scan.affine)
    assert.ok(map.data.every((v) => v >= 0 && v <= 1))
    assert.ok(
      map.data.some((v) => v > 0),
      `${name} is empty`,
    )
  }
})

demo('the network loads, and predictions are probabilities', () => {
  const network = loadNetwork(new Uint8Array(readFileSync(join(out, 'network.safetensors'))))
  assert.equal(network.description.recipe.classes, ['CN', 'AD'])
  const { rows } = parseTsv(text('predictions.tsv'))
  assert.is(rows.length, 4)
  for (const row of rows) assert.ok(Number(row.proba_AD) > 0 && Number(row.proba_AD) < 1, `P(AD) is ${row.proba_AD}`)
})

demo('the page is whole and refers to nothing outside', () => {
  const page = text('index.html')
  assert.match(page, /^<!doctype html>[\s\S]*<\/html>\n$/)
  const words = page.replace(/data:image\/png;base64,[A-Za-z0-9+/=]+/g, 'data:')
  assert.not.match(words, /https?:|url\(|@import|<script|<link(?! rel="icon" href="data:,")/)
  assert.equal(
    [...words.matchAll(/\b(?:src|href)="([^"]*)"/g)].map((match) => match[1]!).filter((u) => !u.startsWith('data:')),
    [],
  )
  assert.not.match(words.replace(/<style>[\s\S]*<\/style>/, ''), /NaN|undefined|Infinity|\[object/)
  assert.is(page.match(/<img /g)!.length, 6)
  assert.ok(page.length < 4e6, `the page has ${page.length} bytes`)
})

demo.run()
