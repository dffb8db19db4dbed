/** Masks of networks that take residuals: intensities are replaced, then residualised, checked by doing just that. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { explainGroup, explainScan, prepareScan } from '../src/explain/explain.ts'
import { explain } from '../src/explain/explain-method.ts'
import { type MaskResult, optimiseMask } from '../src/explain/mask.ts'
import { classify, makePredictor } from '../src/explain/predict.ts'
import { InputError } from '../src/io/errors.ts'
import type { Volume } from '../src/io/volume.ts'
import { architectures, initialise } from '../src/model/architectures.ts'
import type { Network } from '../src/model/description.ts'
import { plainRecipe } from '../src/model/recipe/recipe.ts'
import { residualModel } from '../src/model/recipe/recipe-input.ts'
import { residualise, type ScanCovariates, usedVoxels } from '../src/model/recipe/residual.ts'
import { assertClose, closeTestGpu, testGpu, values } from './support/evaluate.ts'
import { withResiduals } from './support/residual.ts'

const test = suite('masks and residuals')
test.after(closeTestGpu)

const SIZE = [8, 9, 8] as const
const VOXELS = 8 * 9 * 8
/** Tissue in about half of the voxels; the last 40 are empty in all controls. */
const scan = (seed: number): Volume => ({
  shape: SIZE,
  data: values(VOXELS, seed).map((v, n) => (seed >= 100 && n >= VOXELS - 40 ? 0 : Math.max(0, v))),
  affine: [2, 0, 0, 0, 0, 2, 0, 0, 0, 0, 2, 0, 0, 0, 0, 1],
})
const people: ScanCovariates[] = [
  { age: 62, sex: 1 },
  { age: 75, sex: 0 },
]
let network: Network
test.before(async () => {
  // The tensor's order is the scan's.
  const recipe = { ...plainRecipe(2), scaling: 'none' as const, axes: ['z', 'y', 'x'] as const }
  network = await withResiduals(initialise(architectures.smallCnn({ inputShape: [1, ...SIZE], recipe }), 3), scan)
})

const OPTIONS = { iterations: 12, resolution: 2, lambda1: 0.01, lambda2: 0.01, target: 1, learningRate: 0.2 } as const

/** What the network says of scans whose intensities are masked before residualisation: the definition. */
async function after(masked: Float32Array[]): Promise<number[][]> {
  const gpu = await testGpu()
  const model = residualModel(network)!
  const tensors = masked.map((plain, k) => residualise(plain, people[k]!, model).tensor)
  return (await classify(gpu, network, tensors)).map(({ probabilities }) => probabilities)
}

const blend = (x: Float32Array, mask: Float32Array, fill: (i: number) => number, tissue: boolean) =>
  x.map((v, i) => (tissue && v === 0 ? v : mask[i]! * v + (1 - mask[i]!) * fill(i)))

function assertAfter(result: MaskResult, expected: number[][], what: string): void {
  expected.forEach((row, k) => {
    assertClose(result.after[k]!, row, `${what}, scan ${k}`, { relative: 1e-5, absolute: 1e-6 })
  })
  const change = expected.map((row, k) => Math.abs(result.before[k]![1]! - row[1]!))
  assert.ok(Math.max(...change) > 1e-4, `${what}: the mask changes nothing (${change})`)
}

for (const within of ['tissue', 'volume'] as const) {
  for (const [fill, value] of [
    ['one', 1],
    ['zero', 0],
  ] as const) {
    test(`fill ${fill} within ${within}: what the masked intensities give`, async () => {
      const gpu = await testGpu()
      const options = { ...OPTIONS, fill, within, covariates: [people[0]!] }
      const { result } = await explainScan(gpu, network, scan(1), options)
      assert.ok(result.mask.some((m) => m < 0.9))
      const masked = blend(scan(1).data, result.mask, () => value, within === 'tissue')
      assertAfter(result, await after([masked]), fill)
    })
  }
}

test('a group with its mean as fill', async () => {
  const gpu = await testGpu()
  const scans = [scan(1), scan(2)]
  const options = { ...OPTIONS, fill: 'mean' as const, covariates: people, batch: 1 }
  const { result } = await explainGroup(gpu, network, scans, options)
  const mean = scans[0]!.data.map((v, i) => (v + scans[1]!.data[i]!) / 2)
  const masked = scans.map(({ data }) => blend(data, result.mask, (i) => mean[i]!, true))
  assertAfter(result, await after(masked), 'mean')
})

test('voxels that the network never sees get no gradient, and those outside the tissue neither', async () => {
  const gpu = await testGpu()
  const used = usedVoxels(residualModel(network)!)
  assert.equal(Array.from(used.subarray(VOXELS - 40)), Array(40).fill(0))
  assert.ok(used.reduce((a, b) => a + b) > 0.9 * (VOXELS - 40))
  // Without any regularisation a mask moves only where there is a gradient.
  const options = { ...OPTIONS, resolution: 1, lambda1: 0, lambda2: 0, covariates: [people[0]!] }
  const { result } = await explainScan(gpu, network, scan(1), options)
  const still = result.mask.filter((m, i) => m === 1 && (used[i] === 0 || scan(1).data[i] === 0)).length
  const outside = used.reduce((n, u, i) => n + (u === 0 || scan(1).data[i] === 0 ? 1 : 0), 0)
  assert.is(still, outside)
  assert.ok(result.mask.some((m) => m < 1))
})

test('covariates reach predictions and every method; without them there is one clear line', async () => {
  const gpu = await testGpu()
  const predictor = await makePredictor(gpu, network)
  const one = await predictor.predict(scan(1), people[0])
  const other = await predictor.predict(scan(1), people[1])
  assert.not.equal(one.logits, other.logits)
  const { tensor } = residualise(scan(1).data, people[0]!, residualModel(network)!)
  assert.equal((await classify(gpu, network, [tensor]))[0]!.logits, one.logits)
  const found = await explain(gpu, network, [scan(1), scan(1)], { method: 'saliency', covariates: people, target: 1 })
  assertClose(Float32Array.from(found.attributions[0]!.logits), one.logits, 'logits', {
    relative: 1e-5,
    absolute: 1e-6,
  })
  assert.not.equal(found.attributions[0]!.logits, found.attributions[1]!.logits)
  const refused = async (work: Promise<unknown>, ...parts: string[]) => {
    const error = await work.then(
      () => undefined,
      (reason: Error) => reason,
    )
    assert.instance(error, InputError)
    for (const part of parts) assert.ok(error!.message.includes(part), error!.message)
  }
  await refused(predictor.predict(scan(1)), 'covariates', 'age (years)', 'sex')
  await refused(explain(gpu, network, [scan(1)], { method: 'saliency' }), 'covariates', 'age')
  await refused(explainScan(gpu, network, scan(1), OPTIONS), 'covariates', 'age')
  const { tensor: alone } = prepareScan(network, scan(1), people[0])
  await refused(optimiseMask(gpu, network, [alone], OPTIONS), 'residuals', 'plain')
  predictor.destroy()
})

test.run()
