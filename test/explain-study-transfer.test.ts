/** prob_CNN: scans under masks on the host are what the masks' optimisation sees on the GPU; masks from random starts. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { optimiseMask } from '../src/explain/mask.ts'
import { classify } from '../src/explain/predict.ts'
import { maskedProbabilities, maskedScan } from '../src/explain/study/transfer.ts'
import { InputError } from '../src/io/errors.ts'
import { initialise, smallCnn } from '../src/model/architectures.ts'
import { plainRecipe } from '../src/model/recipe/recipe.ts'
import { closeTestGpu, testGpu, values } from './support/evaluate.ts'

const test = suite('transfer')
test.after(closeTestGpu)

const SIZE = [8, 9, 10] as const
const recipe = { ...plainRecipe(2), classes: ['CN', 'AD'] }
const network = (seed: number) =>
  initialise(smallCnn({ inputShape: [1, ...SIZE], recipe, classes: ['CN', 'AD'] }), seed)
/** Some tissue, some nothing. */
const scan = (seed: number) => values(720, seed).map((v) => Math.max(0, v))
const scans = [1, 2, 3].map(scan)
const options = { lambda1: 0.5, lambda2: 0.1, iterations: 20, resolution: 3, target: 1 }

test('a masked scan by hand', () => {
  const made = maskedScan(Float32Array.of(0, 0.5, 1), Float32Array.of(0.5, 0.5, 0.25), 1, true)
  assert.equal([...made], [0, 0.75, 1])
  assert.equal([...maskedScan(Float32Array.of(0, 0.5), Float32Array.of(0.5, 0), Float32Array.of(2, 3), false)], [1, 3])
})

for (const change of [{}, { within: 'volume' }, { fill: 'mean' }, { fill: 'zero', within: 'volume' }] as const) {
  test(`a network under its own mask says what the mask's optimisation says: ${JSON.stringify(change)}`, async () => {
    const gpu = await testGpu()
    const inputs = scans.map((tensor) => ({ tensor }))
    const own = await optimiseMask(gpu, network(1), inputs, { ...options, ...change })
    const other = await optimiseMask(gpu, network(2), inputs, { ...options, ...change })
    const masks = [own.mask, undefined, other.mask]
    const found = await maskedProbabilities(gpu, network(1), inputs, masks, own.settings, { target: 1, batch: 2 })
    assert.equal([found.length, found[0]!.length], [3, 3])
    for (const [n, p] of found[0]!.entries())
      assert.ok(Math.abs(p - own.after[n]![1]!) < 2e-6, `${p}, ${own.after[n]![1]}`)
    for (const [n, p] of found[1]!.entries()) assert.ok(Math.abs(p - own.before[n]![1]!) < 2e-6)
    // The other mask, applied by hand and classified one by one.
    if ('fill' in change && change.fill === 'mean') return
    const fill = 'fill' in change ? 0 : 1
    const plain = await classify(
      gpu,
      network(1),
      scans.map((tensor) => maskedScan(tensor, other.mask, fill, own.settings.within === 'tissue')),
    )
    for (const [n, p] of found[2]!.entries()) assert.ok(Math.abs(p - plain[n]!.probabilities[1]!) < 2e-6)
  })
}

test('masks of another size are refused', async () => {
  const gpu = await testGpu()
  const own = await optimiseMask(gpu, network(1), [{ tensor: scans[0]! }, { tensor: scans[1]! }], {
    ...options,
    iterations: 1,
  })
  try {
    await maskedProbabilities(gpu, network(1), [{ tensor: scans[0]! }], [new Float32Array(719)], own.settings, {
      target: 1,
    })
    assert.unreachable()
  } catch (error) {
    assert.instance(error, InputError)
    assert.match((error as Error).message, /719 voxels/)
  }
})

test('random starts: other masks for other seeds, the same for the same, in a group and alone', async () => {
  const gpu = await testGpu()
  const make = (list: Float32Array[], start: number, seed: number) =>
    optimiseMask(gpu, network(1), list, { ...options, start, seed, iterations: 3 })
  for (const list of [scans, scans.slice(0, 1)]) {
    const [ones, a, again, b] = [
      await make(list, 0, 1),
      await make(list, 0.5, 1),
      await make(list, 0.5, 1),
      await make(list, 0.5, 2),
    ]
    assert.equal(a.mask, again.mask)
    assert.not.equal(a.mask, b.mask)
    assert.not.equal(a.mask, ones.mask)
    // The first step is of the mask as it began: at ones nothing is taken away, between 0.5 and 1 a quarter of it.
    assert.is(ones.trace[0]!.l1, 0)
    const taken = a.trace[0]!.l1 / options.lambda1
    assert.ok(taken > 0.18 && taken < 0.32, String(taken))
    // What scans are like unmasked is the same, wherever the mask begins.
    assert.equal(a.before, ones.before)
  }
  for (const start of [-0.1, 1.1, Number.NaN]) {
    try {
      await make(scans, start, 1)
      assert.unreachable()
    } catch (error) {
      assert.instance(error, InputError)
      assert.match((error as Error).message, /start.*from 0 to 1/)
    }
  }
})

test.run()
