/** The gradient family on a network of many kinds of layers: what adds up, what noise is, and what is refused. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { gradCam, guidedGradCam } from '../src/explain/cam/grad-cam.ts'
import { deepLift } from '../src/explain/gradient/deep-lift.ts'
import { gaussLegendre } from '../src/explain/gradient/gauss-legendre.ts'
import { gradientShap } from '../src/explain/gradient/gradient-shap.ts'
import { deconvolution, guidedBackprop } from '../src/explain/gradient/guided.ts'
import { integratedGradients } from '../src/explain/gradient/integrated-gradients.ts'
import { smoothGrad, varGrad } from '../src/explain/gradient/smooth.ts'
import { InputError } from '../src/io/errors.ts'
import { validateDescription } from '../src/model/description.ts'
import { closeTestGpu, testGpu, values } from './support/evaluate.ts'
import { COUNT, explain, joined, maps, networkOf, relativeL2, scans, zoo } from './support/relevance.ts'

const test = suite('gradient family')
test.after(closeTestGpu)

async function refused(promise: Promise<unknown>, ...parts: RegExp[]) {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason as Error,
  )
  assert.instance(error, InputError)
  for (const part of parts) assert.match(error!.message, part)
}

test('DeepLIFT adds up to the difference from the baseline through every kind of layer', async () => {
  for (const baseline of ['zero', 'mean', values(COUNT, 9).map((v) => 0.5 * v)] as const) {
    const found = await explain(deepLift, { baseline }, { batch: 2 })
    for (const { relevance, facts } of found) {
      const sum = relevance.reduce((a, v) => a + v, 0)
      assert.ok(Math.abs(facts.difference!) > 1e-3, `difference ${facts.difference}`)
      assert.ok(Math.abs(sum - facts.difference!) < 1e-3 * Math.abs(facts.difference!), `${sum} ${facts.difference}`)
      assert.ok(facts.gap! < 1e-3, `gap ${facts.gap}`)
    }
  }
})

test('a softmax at the end changes no map of DeepLIFT; one inside is refused by name', async () => {
  const layers = zoo.description.layers
  const ending = validateDescription({
    ...zoo.description,
    layers: [...layers, { name: 'end', type: 'logSoftmax' }],
  })
  const inputs = [{ tensor: scans[0]!, target: 1 }]
  const plain = await explain(deepLift, {}, {}, zoo, inputs)
  const ended = await explain(deepLift, {}, {}, { ...zoo, description: ending }, inputs)
  assert.ok(relativeL2(maps(ended), joined(plain)) < 1e-6)
  const inner = networkOf([
    { type: 'flatten' },
    { type: 'dense', units: 4 },
    { name: 'mid', type: 'softmax' },
    { type: 'dense', units: 2 },
  ])
  await refused(explain(deepLift, {}, {}, inner, inputs), /"mid"/, /softmax/)
})

/** The family that is trained on brain maps. */
const chain = networkOf(
  [
    { type: 'conv3d', channels: 6, kernel: 3, padding: 1 },
    { type: 'batchNorm' },
    { type: 'leakyRelu' },
    { type: 'maxPool3d', kernel: 2, stride: 2 },
    { type: 'conv3d', channels: 8, kernel: 3, padding: 1 },
    { type: 'batchNorm' },
    { type: 'relu' },
    { type: 'flatten' },
    { type: 'dense', units: 3 },
  ],
  3,
)

test('integrated gradients add up within 1 %, with several points a run or one, and the same relevance', async () => {
  const one = await explain(integratedGradients, { steps: 50 }, {}, chain)
  const seven = await explain(integratedGradients, { steps: 50 }, { batch: 7 }, chain)
  for (const { facts } of one) assert.ok(facts.gap! < 0.01, `gap ${facts.gap}`)
  assert.ok(relativeL2(maps(seven), joined(one)) < 1e-5)
  const mean = await explain(integratedGradients, { steps: 50, baseline: 'mean' }, { batch: 10 }, chain)
  for (const { facts } of mean) assert.ok(facts.gap! < 0.01, `gap ${facts.gap}`)
})

test('Gauss and Legendre: nodes of five points as tabulated, and exact for a polynomial of degree 2n - 1', () => {
  const { nodes, weights } = gaussLegendre(5)
  const table = [0.046910077030668, 0.2307653449471584, 0.5, 0.7692346550528415, 0.9530899229693319]
  for (const [k, node] of table.entries()) assert.ok(Math.abs(node - nodes[k]!) < 1e-15)
  const integral = (n: number, degree: number) => {
    const rule = gaussLegendre(n)
    return rule.nodes.reduce((sum, x, k) => sum + rule.weights[k]! * x ** degree, 0)
  }
  assert.ok(Math.abs(weights.reduce((a, w) => a + w, 0) - 1) < 1e-14)
  for (const n of [1, 2, 50, 301]) assert.ok(Math.abs(integral(n, 2 * n - 1) - 1 / (2 * n)) < 1e-13, `${n}`)
})

test('noise comes from the seed, not from the scan or its place', async () => {
  const settings = { samples: 4 }
  const one = { tensor: scans[0]!, target: 1 }
  const [first, second] = await explain(smoothGrad, settings, { seed: 1 }, zoo, [one, one])
  const [other] = await explain(smoothGrad, settings, { seed: 2 }, zoo, [one])
  assert.equal(first!.relevance, second!.relevance)
  assert.ok(relativeL2([other!.relevance], first!.relevance) > 0.01)
})

test('the noise is normal: SmoothGrad of a quadratic score, whose gradient is the noise', async () => {
  // Class 0 is half the square of the mean of x + 2 voxel by voxel: its gradient is affine in x.
  const product = networkOf([
    { name: 'flat', type: 'flatten' },
    { name: 'a', type: 'scale', factor: 1, offset: 0 },
    { type: 'multiply', inputs: ['a', 'a'] },
    { name: 'out', type: 'dense', units: 2 },
  ])
  const weights = new Map(product.weights)
  weights.set('out.weight', { shape: [2, COUNT], data: new Float32Array(2 * COUNT).fill(0.5) })
  const network = { ...product, weights }
  const inputs = [{ tensor: new Float32Array(COUNT), target: 0 }]
  const settings = { samples: 40, noise: 0.7, unit: 'absolute' } as const
  // The gradient is the noise itself, so its mean is near 0 and its variance near 0.49.
  const [mean] = await explain(smoothGrad, settings, { batch: 8 }, network, inputs)
  const [variance] = await explain(varGrad, settings, { batch: 8 }, network, inputs)
  const average = (map: Float32Array) => map.reduce((a, v) => a + v, 0) / map.length
  assert.ok(Math.abs(average(mean!.relevance)) < 5 * (0.7 / Math.sqrt(40 * COUNT)), `${average(mean!.relevance)}`)
  const expected = 0.49 * (39 / 40)
  const deviation = (Math.sqrt(2) * 0.49) / Math.sqrt(40 * COUNT)
  assert.ok(Math.abs(average(variance!.relevance) - expected) < 5 * deviation, `${average(variance!.relevance)}`)
  assert.is(mean!.facts.deviation, 0.7)
  const single = (map: Float32Array) => Math.sqrt(average(map.map((v) => v * v)))
  assert.ok(Math.abs(single(mean!.relevance) - 0.7 / Math.sqrt(40)) < 0.01, 'voxels are independent')
})

test('samples need no more GPU memory than a run of them', async () => {
  const gpu = await testGpu()
  const memory = []
  for (const steps of [4, 400]) {
    const explainer = await integratedGradients.make(gpu, zoo, { steps, baseline: 'zero' }, { batch: 4 })
    memory.push(explainer.memory)
    explainer.destroy()
  }
  assert.equal(memory[0], memory[1])
})

test('a run that is stopped between points stops, and the explainer goes on with the next', async () => {
  const explainer = await integratedGradients.make(await testGpu(), zoo, { steps: 40, baseline: 'zero' })
  const shares: number[] = []
  const controller = new AbortController()
  const stopped = explainer.explain([{ tensor: scans[0]! }], {
    signal: controller.signal,
    onProgress(share) {
      shares.push(share)
      if (share > 0.3) controller.abort()
    },
  })
  const error = await stopped.then(
    () => undefined,
    (reason: unknown) => reason as Error,
  )
  assert.is(error?.name, 'AbortError')
  assert.equal(shares, [0.2, 0.4])
  assert.is((await explainer.explain([{ tensor: scans[0]! }])).length, 1)
  explainer.destroy()
})

test('what cannot be explained is refused by name', async () => {
  const smooth = networkOf([
    { type: 'conv3d', channels: 2, kernel: 3 },
    { type: 'tanh' },
    { type: 'flatten' },
    { type: 'dense', units: 2 },
  ])
  const flat = networkOf([
    { name: 'flat', type: 'flatten' },
    { type: 'dense', units: 4 },
    { type: 'relu' },
    { type: 'dense', units: 2 },
  ])
  await refused(explain(guidedBackprop, {}, {}, smooth), /guided backpropagation/, /leakyRelu/)
  await refused(explain(deconvolution, { rectifiers: 'relu' }, {}, smooth), /deconvolution/, /relu/)
  await refused(explain(gradCam, {}, {}, flat), /"test" has none/)
  await refused(explain(gradCam, { layer: 'nowhere' }), /"nowhere" is not in the network/, /conv, /)
  await refused(explain(guidedGradCam, { layer: 'flatten21' }), /"flatten21" gives no volume/)
  await refused(explain(integratedGradients, { baseline: new Float32Array(5) }), /5 values/, /2 x 9 x 8 x 7/)
  await refused(explain(gradientShap, { baseline: new Float32Array(COUNT + 1) }), /several/)
  await refused(explain(deepLift, { baseline: new Float32Array(COUNT).fill(Number.NaN) }), /NaN at position 0/)
})

test.run()
