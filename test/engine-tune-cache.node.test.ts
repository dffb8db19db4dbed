/** The cache of tuning in Node: where it is, what survives, and that a broken one never breaks anything else. */
import './support/all-shaders.ts'
import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { closeGpu, openGpu } from '../src/engine/gpu.ts'
import { closePlatform } from '../src/engine/platform.ts'
import { kernelsVersion } from '../src/engine/shaders.gen.ts'
import { cacheFolder, fileTuneStore } from '../src/engine/tune-store.node.ts'

const test = suite('tune cache')
const folder = mkdtempSync(join(tmpdir(), 'voxplain-tune-'))
const root = fileURLToPath(new URL('..', import.meta.url))
const place = { adapter: 'an adapter, driver 1', kernels: 'k1' }

test.before.each(() => {
  rmSync(folder, { recursive: true, force: true })
  process.env.VOXPLAIN_CACHE = folder
})
test.after(() => {
  rmSync(folder, { recursive: true, force: true })
  closePlatform()
})

const onlyFile = () => {
  const files = readdirSync(folder)
  assert.is(files.length, 1, files.join(', '))
  return join(folder, files[0]!)
}

/** What a process of its own says and loads: notes come once a process. */
function load(env: Record<string, string>, script = '') {
  const module = JSON.stringify(new URL('../src/engine/tune-store.node.ts', import.meta.url).href)
  const code = `const { fileTuneStore: s } = await import(${module}); const p = ${JSON.stringify(place)};
    ${script}; console.log(JSON.stringify([await s.load(p), await s.load(p)]))`
  const args = ['--import', 'tsx', '--input-type=module', '-e', code]
  const options = { cwd: root, encoding: 'utf8', env: { ...process.env, ...env } } as const
  const { status, stdout, stderr } = spawnSync(process.execPath, args, options)
  assert.is(status, 0, stderr)
  return { loaded: JSON.parse(stdout)[0] as Record<string, string>, notes: stderr.split('\n').filter(Boolean) }
}

test('winners come back, and are added to', async () => {
  assert.equal(await fileTuneStore.load(place), {})
  await fileTuneStore.save(place, { conv: 'tile4', pool: 'serial' })
  await fileTuneStore.save(place, { pool: 'tree' })
  assert.equal(await fileTuneStore.load(place), { conv: 'tile4', pool: 'tree' })
  onlyFile()
})

test('another adapter or driver has winners of its own; those among older kernels are forgotten', async () => {
  await fileTuneStore.save(place, { conv: 'tile4' })
  const newer = { ...place, adapter: 'an adapter, driver 2' }
  assert.equal(await fileTuneStore.load(newer), {})
  await fileTuneStore.save(newer, { conv: 'tile8' })
  assert.equal(await fileTuneStore.load(place), { conv: 'tile4' })
  const changed = { ...place, kernels: 'k2' }
  assert.equal(await fileTuneStore.load(changed), {})
  await fileTuneStore.save(changed, { dense: 'wide' })
  assert.equal(await fileTuneStore.load(changed), { dense: 'wide' })
  assert.equal(await fileTuneStore.load(place), {})
})

test("Dawn's toggles make another place", async () => {
  await fileTuneStore.save(place, { conv: 'tile4' })
  process.env.VOXPLAIN_DAWN_TOGGLES = 'disable_robustness'
  try {
    assert.equal(await fileTuneStore.load(place), {})
  } finally {
    delete process.env.VOXPLAIN_DAWN_TOGGLES
  }
})

test('VOXPLAIN_CACHE=off keeps nothing', async () => {
  process.env.VOXPLAIN_CACHE = 'off'
  await fileTuneStore.save(place, { conv: 'tile4' })
  assert.equal(await fileTuneStore.load(place), {})
  assert.throws(() => readdirSync(folder), /ENOENT/)
})

test('it lies where the system keeps caches', () => {
  const at = (platform: NodeJS.Platform, env: Record<string, string>) =>
    cacheFolder(env, platform, join('/', 'home', 'me'))
  assert.is(at('linux', {}), join('/', 'home', 'me', '.cache', 'voxplain'))
  assert.is(at('linux', { XDG_CACHE_HOME: '/var/mine' }), join('/', 'var', 'mine', 'voxplain'))
  assert.is(at('linux', { XDG_CACHE_HOME: 'relative' }), join('/', 'home', 'me', '.cache', 'voxplain'))
  assert.is(at('darwin', { XDG_CACHE_HOME: '/var/mine' }), join('/', 'home', 'me', 'Library', 'Caches', 'voxplain'))
  assert.is(at('win32', { LOCALAPPDATA: join('/', 'local') }), join('/', 'local', 'voxplain'))
  assert.is(at('linux', { VOXPLAIN_CACHE: '/elsewhere' }), '/elsewhere')
  assert.is(at('linux', { VOXPLAIN_CACHE: 'off' }), undefined)
})

test('a damaged file is ignored with one note, and replaced by the next measurement', async () => {
  await fileTuneStore.save(place, { conv: 'tile4' })
  const file = onlyFile()
  const whole = readFileSync(file, 'utf8')
  const damaged = ['', '{', 'null', '[]', '7', '{"winners":{"conv":3}}', '{"winners":"conv"}', whole.slice(0, -20)]
  for (const text of [damaged.at(-1)!, damaged[2]!]) {
    writeFileSync(file, text)
    const { loaded, notes } = load({})
    assert.equal(loaded, {})
    assert.is(notes.length, 1, notes.join('\n'))
    assert.match(
      notes[0]!,
      /^voxplain: cannot read .*tuning-\w+\.json, where the fastest kernels are remembered: .*; going on/,
    )
  }
  for (const text of damaged) {
    writeFileSync(file, text)
    assert.equal(await fileTuneStore.load(place), {}, text)
  }
  await fileTuneStore.save(place, { conv: 'tile8' })
  assert.equal(await fileTuneStore.load(place), { conv: 'tile8' })
})

test('a folder that cannot be made or written costs one note', () => {
  mkdirSync(folder)
  const blocked = join(folder, 'a file')
  writeFileSync(blocked, '')
  const save = `await s.save(p, { conv: 'tile4' }); await s.save(p, { conv: 'tile4' })`
  const { loaded, notes } = load({ VOXPLAIN_CACHE: join(blocked, 'below') }, save)
  assert.equal(loaded, {})
  assert.is(notes.length, 1, notes.join('\n'))
  assert.match(notes[0]!, /^voxplain: cannot (read|write) /)
  if (process.getuid?.() === 0) return
  chmodSync(folder, 0o500)
  const readOnly = load({ VOXPLAIN_CACHE: folder }, save)
  chmodSync(folder, 0o700)
  assert.is(readOnly.notes.length, 1)
})

test('many savers at once leave a whole file', async () => {
  const save = (name: string) => fileTuneStore.save(place, { [name]: 'x'.repeat(2000) })
  await Promise.all(Array.from({ length: 20 }, (_, k) => save(`choice ${k}`)))
  const winners = await fileTuneStore.load(place)
  assert.ok(Object.keys(winners).length >= 1)
  onlyFile()
})

test('openGpu brings what this adapter has measured, and costs little', async () => {
  const first = await openGpu()
  const { tunedAt } = first
  closeGpu(first)
  assert.is(tunedAt.kernels, kernelsVersion)
  const many = Object.fromEntries(Array.from({ length: 500 }, (_, k) => [`conv3d shape ${k}`, 'tile4']))
  await fileTuneStore.save(tunedAt, many)
  const gpu = await openGpu()
  assert.is(gpu.tuning.size, 500)
  assert.is(gpu.tuning.get('conv3d shape 7'), 'tile4')
  closeGpu(gpu)
  const times: number[] = []
  for (let k = 0; k < 5; k++) {
    const start = performance.now()
    await fileTuneStore.load(tunedAt)
    times.push(performance.now() - start)
  }
  assert.ok(Math.min(...times) < 5, `${times} ms`)
  console.log(`reading 500 winners: ${Math.min(...times).toFixed(2)} ms`)
})

test.run()
