/**
 * Commands of several networks and methods on a GPU that is lost in the middle: they go on with what was done, and end with
 * the files and
 * numbers of an undisturbed run.
 */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { text } from './support/bids.ts'
import { makePlace, type Place, voxplain } from './support/cli.ts'
import { type Trouble, withTrouble } from './support/fragile-gpu.ts'
import { commandsToKill, type Killed, whatIsLeft } from './support/kills.ts'

const test = suite('survival of studies')
const CLOCKS = /times\.tsv$/
let place: Place
let study: Killed
test.before(async () => {
  place = await makePlace()
  study = (await commandsToKill(place)).find(({ name }) => name === 'study')!
  const space = { blocks: 1, firstWidth: 2, convolutions: 1, denseLayers: 1, reduction: 'pool', norm: 'none', batch: 4 }
  await text(place, 'space.json', JSON.stringify(space))
})
test.after(() => place.clear())

const at = (name: string) => join(place.folder, name)

/** @param half of the undisturbed run's dispatches: when the GPU goes, again and again */
async function lostInTheMiddle(name: string, argv: (out: string) => string[], aside = CLOCKS): Promise<void> {
  const run = async (out: string, trouble: Trouble) => {
    await mkdir(at(out))
    const { result, damage } = await withTrouble(trouble, () => voxplain(...argv(at(out))))
    assert.is(result.code, 0, result.err)
    const files = await whatIsLeft(at(out), { name, argv, aside })
    return { files, said: result.err, out: result.out.replaceAll(at(out), 'OUT'), damage }
  }
  const whole = await run(`${name}-whole`, {})
  let left = Math.floor(whole.damage.dispatches / 2)
  const lost = await run(`${name}-lost`, { dispatch: () => --left === 0 })
  assert.is(lost.damage.destroyed, 1)
  assert.match(lost.said, /voxplain: the GPU device was lost: .*; it was opened again, and work goes on/)
  assert.ok(lost.damage.dispatches < 1.9 * whole.damage.dispatches, 'it began anew')
  assert.equal(lost.files, whole.files)
  assert.is(lost.out, whole.out)
}

test('cv', () => {
  const sized = ['--folds', '2', '--runs', '2', '--epochs', '2', '--batch', '2', '--draws', '100', '--seed', '3']
  const argv = (out: string) => ['cv', at('table.tsv'), '--architecture', at('layers.json'), ...sized, '--out', out]
  return lostInTheMiddle('cv', argv)
})

test('search', () => {
  const sized = ['--space', at('space.json'), '--trials', '2', '--epochs', '2', '--seed', '6']
  return lostInTheMiddle('search', (out) => ['search', at('table.tsv'), ...sized, '--out', out])
})

test('evaluate', () => {
  const sized = ['--draws', '100', '--json']
  return lostInTheMiddle('evaluate', () => ['evaluate', at('line.safetensors'), at('table.tsv'), ...sized])
})

test('judge', () => {
  const sized = ['--runs', '6', '--steps', '4', '--samples', '2', '--draws', '1', '--target', 'AD']
  const asked = ['judge', at('line.safetensors'), at('table.tsv'), '--method', 'saliency,ixg', ...sized]
  return lostInTheMiddle('judge', (out) => [...asked, '--out', out])
})

test('study robustness', () => lostInTheMiddle('robustness', (out) => study.argv(out, false), study.aside))

test('study relevance', () => {
  const asked = ['--network', at('line.safetensors'), '--atlas', at('atlas.nii'), '--regions', 'left,right']
  const argv = (out: string) => ['study', 'relevance', at('table.tsv'), ...asked, '--method', 'ixg', '--out', out]
  return lostInTheMiddle('relevance', argv)
})

test.run()
