/** voxplain bids as processes: many at once, killed, asked to stop, on a full disk. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { bidsData, filesOf, leftovers, resultsOf, text, writeLine } from './support/bids.ts'
import { makePlace, type Place, voxplain } from './support/cli.ts'

const test = suite('bids processes')
const BIN = fileURLToPath(new URL('../bin/voxplain.mjs', import.meta.url))
const SCANS = 4
let place: Place
let network: string
let data: string
test.before(async () => {
  place = await makePlace()
  network = await writeLine(place)
  data = await bidsData(place, 'data', SCANS)
})
test.after(() => place.clear())

interface Ended {
  readonly code: number | null
  readonly signal: string | null
  readonly out: string
  readonly err: string
}

function begin(argv: readonly string[], node: readonly string[] = []): { child: ChildProcess; ended: Promise<Ended> } {
  const child = spawn(process.execPath, [...node, BIN, ...argv], { stdio: ['ignore', 'pipe', 'pipe'] })
  const said = { out: '', err: '' }
  child.stdout!.setEncoding('utf8').on('data', (words) => void (said.out += words))
  child.stderr!.setEncoding('utf8').on('data', (words) => void (said.err += words))
  const ended = new Promise<Ended>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => resolve({ code, signal, ...said }))
  })
  return { child, ended }
}

const bids = (out: string, ...words: string[]) => [
  'bids',
  data,
  out,
  'participant',
  '--network',
  network,
  '--target',
  'AD',
  ...words,
]
const IXG = ['--method', 'ixg'] as const
/** Far longer than any test waits. */
const ENDLESS = ['--method', 'mask:iterations=100000:tolerance=0:resolution=2', '--batch', '1'] as const

/** Waits until there is a file in a folder, and fails when the process ends before. */
async function fileIn(folder: string, name: RegExp, { ended }: { ended: Promise<Ended> }): Promise<void> {
  let over: Ended | undefined
  void ended.then((how) => (over = how))
  for (;;) {
    if ((await filesOf(folder).catch(() => [])).some((file) => name.test(file))) return
    if (over) throw new Error(`ended with ${over.code ?? over.signal} before there was ${name}: ${over.err}`)
    await sleep(20)
  }
}

test('two processes and four shards on one folder: each scan once, the bytes of one process', async () => {
  const out = join(place.folder, 'shared')
  const shards = [1, 2, 3, 4].map((i) => ['--shard', `${i}/4`])
  const runs = await Promise.all([[], [], ...shards].map((words) => begin(bids(out, ...IXG, ...words)).ended))
  for (const { code, err } of runs) assert.is(code, 0, err)
  const made = runs.flatMap(({ out: said }) =>
    said.split('\n').filter((line) => /_relevance\.nii\.gz: P\(AD\)/.test(line)),
  )
  assert.is(made.length, SCANS, made.join('\n'))
  assert.is(new Set(made.map((line) => line.split(': P(')[0])).size, SCANS)
  assert.equal(await leftovers(out), [])
  const alone = join(place.folder, 'alone')
  assert.is((await voxplain(...bids(alone, ...IXG))).code, 0)
  assert.equal(await resultsOf(out), await resultsOf(alone))
})

test('killed in the middle of a scan: the next run leaves the bytes of an undisturbed one, and no other file', async () => {
  const out = join(place.folder, 'killed')
  const killed = begin(bids(out, ...ENDLESS))
  await fileIn(out, /claims\/sub-01\.1$/, killed)
  await sleep(300)
  killed.child.kill('SIGKILL')
  assert.is((await killed.ended).signal, 'SIGKILL')
  assert.ok((await leftovers(out)).length > 0, 'it left its claims')
  // What a kill leaves in the worst case: files half written, and a map whose record is missing.
  await mkdir(join(out, 'sub-02/anat'), { recursive: true })
  for (const name of [
    'sub-02/anat/.0123456789abcdef01.tmp',
    '.0123456789abcdef01.tmp',
    '.voxplain/failed/.0123456789abcdef01.tmp',
  ]) {
    await writeFile(join(out, name), 'half')
  }
  await writeFile(join(out, 'sub-02/anat/sub-02_space-MNI152_label-GM_desc-mask_relevance.nii.gz'), 'half')
  const status = JSON.parse((await voxplain('status', out, '--json')).out)
  assert.equal([status.done, status.missing, status.claimed, status.abandoned > 0], [0, SCANS, 0, true])
  assert.is((await voxplain(...bids(out, ...IXG))).code, 0)
  assert.equal(await leftovers(out), [])
  const alone = join(place.folder, 'unkilled')
  assert.is((await voxplain(...bids(alone, ...IXG))).code, 0)
  assert.equal(await resultsOf(out), await resultsOf(alone))
})

test('SIGTERM: within 5 s, exit code 143, no trace of the scan in work', async () => {
  const out = join(place.folder, 'stopped')
  const running = begin(bids(out, ...ENDLESS))
  await fileIn(out, /claims\/sub-01\.1$/, running)
  await sleep(1000)
  const asked = performance.now()
  running.child.kill('SIGTERM')
  const { code, signal, err } = await running.ended
  const seconds = (performance.now() - asked) / 1000
  assert.ok(code === 143 || signal === 'SIGTERM', `${code} ${signal} ${err}`)
  assert.ok(seconds < 5.5, `it took ${seconds.toFixed(1)} s`)
  assert.match(err, /SIGTERM: ending/)
  assert.equal(await leftovers(out), [])
  assert.equal(
    (await filesOf(out)).filter((name) => name.startsWith('sub-')),
    [],
  )
})

test('a full disk: told once in plain words, nothing half written, exit code 1', async () => {
  const out = join(place.folder, 'full')
  // The disk is full from the second map on.
  const preload = await text(place, 'full-disk.mjs', FULL_DISK)
  const { code, err } = await begin(bids(out, ...IXG, '--batch', '1'), ['--import', preload]).ended
  assert.is(code, 1, err)
  assert.match(err, /could not be written: the disk is full/)
  assert.match(err, /ended early: .*make room and run the same command again/)
  assert.equal(await leftovers(out), [])
  const names = (await filesOf(out)).filter((name) => name.startsWith('sub-'))
  assert.equal(
    names.map((name) => name.slice(0, 6)),
    ['sub-01', 'sub-01', 'sub-01'],
  )
  assert.match((await voxplain('status', out)).out, /^1 maps done, 3 missing, 0 stale; scans: [12] failed/)
})

const FULL_DISK = `
import promises from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
const { open } = promises
promises.open = async (path, ...rest) => {
  const file = await open(path, ...rest)
  if (/sub-0[2-9].*\\.tmp$/.test(String(path))) {
    file.writeFile = async () => {
      throw Object.assign(new Error('no space left'), { code: 'ENOSPC' })
    }
  }
  return file
}
syncBuiltinESMExports()
`

test.run()
