/** voxplain tune: what it measures, prints and remembers. */
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { assertRefused, makePlace, type Place, voxplain } from './support/cli.ts'

const test = suite('cli tune')
let place: Place
let cache: string

test.before(async () => {
  place = await makePlace()
  cache = await mkdtemp(join(tmpdir(), 'voxplain-cache-'))
  process.env.VOXPLAIN_CACHE = cache
})
test.after(async () => {
  await place.clear()
  await rm(cache, { recursive: true, force: true })
})

interface Row {
  name: string
  variants: string[]
  winner: string
  how: string
  times: { variant: string; milliseconds?: number }[]
}

const choicesOf = async (...flags: string[]): Promise<Row[]> => {
  const { code, out, err } = await voxplain('tune', place.network, '--json', ...flags)
  assert.is(code, 0, err)
  return JSON.parse(out).choices
}

test('winners are measured once, and remembered', async () => {
  for (const program of ['mask', 'predict']) {
    const first = await choicesOf('--program', program)
    for (const { variants, winner, how, times } of first) {
      assert.ok(variants.includes(winner))
      if (how !== 'measured') continue
      const best = Math.min(...times.map((t) => t.milliseconds ?? Number.POSITIVE_INFINITY))
      assert.is(times.find((t) => t.variant === winner)!.milliseconds, best)
    }
    const measured = first.filter((row) => row.how === 'measured').length
    assert.is((await readdir(cache)).length, measured > 0 || (await readdir(cache)).length > 0 ? 1 : 0)
    const again = await choicesOf('--program', program)
    assert.equal(
      again.map(({ how, winner }) => ({ how, winner })),
      first.map(({ winner }) => ({ how: 'known', winner })),
    )
    console.log(`${program}: ${first.length} choices, ${measured} measured`)
  }
})

test('people get a table, or the sentence that there is nothing to choose', async () => {
  const { code, out, err } = await voxplain('tune', place.network, '--again')
  assert.is(code, 0)
  assert.match(
    out,
    /^(kernel +for +variant +ms\n(.*\n)*.* fastest|nothing to choose on .* for mask of 1x1x\d+x\d+x\d+\n$)/,
  )
  assert.ok(err.includes(`remembered in ${cache}`), err)
})

test('time that is up leaves choices undecided, which is said', async () => {
  const rows = await choicesOf('--again', '--seconds', '0')
  for (const row of rows) assert.is(row.how, 'undecided')
})

test('wrong use is refused', async () => {
  assertRefused(await voxplain('tune', join(place.folder, 'none.safetensors')), 2, 'none.safetensors')
  assertRefused(await voxplain('tune', place.network, '--program', 'paint'), 2, 'mask, predict')
  assertRefused(await voxplain('tune', place.network, '--batch', '0'), 2, 'whole number from 1')
})

test.run()
