/** Mask optimisation against a float64 replica, its options and results, and the same bits everywhere. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { maskDefaults, optimiseMask, planMask } from '../src/explain/mask.ts'
import { InputError } from '../src/io/errors.ts'
import { conv5Fc3, initialise, smallCnn } from '../src/model/architectures.ts'
import { type Network, validateDescription, validateNetwork } from '../src/model/description.ts'
import { reportHash } from './support/data.ts'
import { assertClose, closeTestGpu, testGpu, values } from './support/evaluate.ts'
import { type MaskCase, maskReference } from './support/reference/mask.ts'

const test = suite('mask')
test.after(closeTestGpu)

const size = [6, 7, 9] as const
const voxels = 6 * 7 * 9

/** Two classes, logits linear in the voxels: what the replica can follow. */
function linearNetwork(): Network {
  const description = validateDescription({
    format: 'voxplain-network',
    version: 1,
    name: 'linear',
    input: [1, ...size],
    layers: [
      { name: 'flat', type: 'flatten' },
      { name: 'head', type: 'dense', units: 2, bias: true },
    ],
    output: 'logits',
    recipe: {
      axes: ['x', 'y', 'z'],
      flip: [false, false, false],
      scaling: 'none',
      nonFinite: 'zero',
      classes: ['CN', 'AD'],
    },
  })
  const weight = values(2 * voxels, 5).map((v) => v * 0.1)
  const weights = new Map([
    ['head.weight', { shape: [2, voxels], data: weight }],
    ['head.bias', { shape: [2], data: new Float32Array([0.1, -0.2]) }],
  ])
  return validateNetwork(description, weights)
}

const scan = (seed: number) => values(voxels, seed).map((v) => 0.5 + 0.5 * v)

const base: MaskCase = {
  size,
  cell: 1,
  lambda1: 0.3,
  lambda2: 0.1,
  beta1: 1,
  beta2: 3,
  learningRate: 0.1,
  reduction: 'mean',
  spacing: [2, 4, 5],
  fill: 1,
  target: 1,
}

const cases: { label: string; change: Partial<MaskCase>; scans: number }[] = [
  { label: 'full resolution', change: {}, scans: 1 },
  { label: 'cells of 2 voxels, beta 1.5 and 2', change: { cell: 2, beta1: 1.5, beta2: 2 }, scans: 1 },
  {
    label: 'cells of 3 voxels, sums, fill zero, class 0',
    change: { cell: 3, reduction: 'sum', fill: 0, target: 0, lambda1: 2e-4, lambda2: 1e-3 },
    scans: 1,
  },
  { label: 'a group of three', change: { cell: 2 }, scans: 3 },
]

for (const { label, change, scans } of cases) {
  test(`12 steps follow the float64 replica: ${label}`, async () => {
    const gpu = await testGpu()
    const network = linearNetwork()
    const c = { ...base, ...change }
    const { weight, bias } = {
      weight: network.weights.get('head.weight')!.data,
      bias: network.weights.get('head.bias')!.data,
    }
    const inputs = Array.from({ length: scans }, (_, k) => scan(10 + k))
    const expected = maskReference(c, { weight, bias }, inputs, 12)
    const result = await optimiseMask(gpu, network, inputs, {
      target: c.target,
      lambda1: c.lambda1,
      lambda2: c.lambda2,
      beta1: c.beta1,
      beta2: c.beta2,
      learningRate: c.learningRate,
      reduction: c.reduction,
      spacing: c.spacing,
      resolution: c.cell,
      fill: c.fill === 1 ? 'one' : 'zero',
      iterations: 12,
      tolerance: 0,
    })
    const close = { relative: 1e-4, absolute: 1e-6 }
    for (const term of ['score', 'l1', 'tv'] as const) {
      assertClose(
        result.trace.map((t) => t[term]),
        expected.trace.map((t) => t[term]),
        `${label}: ${term}`,
        close,
      )
    }
    assertClose(result.mask, expected.mask, `${label}: mask`, { relative: 1e-3 })
    assert.ok(result.after[0]![c.target]! < result.before[0]![c.target]!, 'the score falls')
    assert.is(result.before.length, scans)
  })
}

test('a group of the same scan twice is that scan alone', async () => {
  const gpu = await testGpu()
  const network = linearNetwork()
  const options = { target: 1, iterations: 15, tolerance: 0, resolution: 2 }
  const one = await optimiseMask(gpu, network, [scan(3)], options)
  const two = await optimiseMask(gpu, network, [scan(3), scan(3)], options)
  assertClose(two.mask, one.mask, 'mask', { relative: 1e-4 })
})

test('jitter is reproducible from its seed and changes the path', async () => {
  const gpu = await testGpu()
  const network = linearNetwork()
  const run = (seed: number) =>
    optimiseMask(gpu, network, [scan(3)], {
      iterations: 8,
      tolerance: 0,
      resolution: 2,
      jitter: 2,
      seed,
      lambda1: 0.1,
      learningRate: 0.02,
    })
  const [a, b, c] = [await run(1), await run(1), await run(2)]
  assert.equal(a.mask, b.mask)
  assert.not.equal(a.mask, c.mask)
})

test('mean and blurred replacements, and the logit as score', async () => {
  const gpu = await testGpu()
  const network = linearNetwork()
  for (const fill of ['mean', 'blur'] as const) {
    const reference = fill === 'mean' ? scan(9) : undefined
    const result = await optimiseMask(gpu, network, [scan(3)], {
      reference,
      target: 1,
      fill,
      score: 'logit',
      iterations: 20,
      learningRate: 0.02,
      lambda1: 0.001,
      lambda2: 0.001,
      resolution: 1,
    })
    assert.ok(result.trace.at(-1)!.total < result.trace[0]!.total, `${fill}: the loss falls`)
  }
})

test('within tissue, background voxels neither change nor steer the mask', async () => {
  const gpu = await testGpu()
  const half = scan(3).map((v, i) => (i % 2 === 0 ? 0 : v))
  const options = { target: 1, iterations: 10, tolerance: 0, resolution: 1, lambda1: 0, lambda2: 0 } as const
  const tissue = await optimiseMask(gpu, linearNetwork(), [half], { ...options, within: 'tissue' })
  const volume = await optimiseMask(gpu, linearNetwork(), [half], { ...options, within: 'volume' })
  assert.ok(tissue.mask.every((m, i) => i % 2 === 1 || m === 1))
  assert.ok(volume.mask.some((m, i) => i % 2 === 0 && m < 1))
})

test('stops when the loss has settled, and takes the predicted class by default', async () => {
  const gpu = await testGpu()
  const result = await optimiseMask(gpu, linearNetwork(), [scan(3)], { iterations: 400, tolerance: 1e-2 })
  assert.ok(result.converged)
  assert.ok(result.iterations < 400)
  const [cn, ad] = result.before[0]! as unknown as [number, number]
  assert.is(result.target, ad > cn ? 1 : 0)
  assert.is(result.trace.length, result.iterations)
})

test('no buffer is made while the loop runs, and none is left behind', async () => {
  const gpu = await testGpu()
  const network = linearNetwork()
  await optimiseMask(gpu, network, [scan(3)], { iterations: 1 })
  const { bytes } = gpu.counters
  const made: number[] = []
  const onProgress = () => made.push(gpu.counters.buffers)
  await optimiseMask(gpu, network, [scan(3)], { iterations: 60, tolerance: 0, onProgress })
  assert.ok(made.length >= 6)
  assert.is(made.at(-1), made[0], 'buffers made between the first and the last step')
  assert.is(gpu.counters.bytes, bytes, 'bytes alive afterwards')
})

test('forward, backward and 20 mask steps give the same bits twice, here and elsewhere', async () => {
  const gpu = await testGpu()
  const network = initialise(smallCnn({ inputShape: [1, 13, 15, 14] }), 3)
  const x = values(13 * 15 * 14, 2).map((v) => 0.5 + 0.5 * v)
  const run = () =>
    optimiseMask(gpu, network, [x], {
      target: 1,
      score: 'logit',
      iterations: 20,
      tolerance: 0,
      resolution: 2,
      jitter: 1,
      lambda1: 0.01,
      lambda2: 0.01,
    })
  const [a, b] = [await run(), await run()]
  assert.equal(a.mask, b.mask)
  assert.equal(a.trace, b.trace)
  for (const [name, list] of [
    ['mask', a.mask],
    ['before', a.before[0]!],
    ['after', a.after[0]!],
  ] as const) {
    const digest = await crypto.subtle.digest('SHA-256', list.slice().buffer)
    reportHash(
      `mask-20-steps-${name}`,
      [...new Uint8Array(digest)].map((v) => v.toString(16).padStart(2, '0')).join(''),
    )
  }
})

test('memory of a full-size step is planned before running: Conv5_FC3 at 121x145x121 under 400 MB', async () => {
  const gpu = await testGpu()
  const network = initialise(conv5Fc3({ inputShape: [1, 121, 145, 121] }), 1)
  for (const scans of [1, 64]) {
    const { total } = planMask(gpu, network, { resolution: 1 }, scans)
    assert.ok(total < 400e6, `${scans} scan(s): ${total} bytes`)
  }
})

test('options that make no sense are refused by name', async () => {
  const gpu = await testGpu()
  const network = linearNetwork()
  const wrong: [object, RegExp][] = [
    [{ target: 2 }, /target is 2/],
    [{ lambda1: -1 }, /lambda1 is -1/],
    [{ beta2: 0.5 }, /beta2/],
    [{ resolution: 0 }, /resolution/],
    [{ fill: 'grey' }, /fill/],
    [{ fill: 'mean' }, /single scan/],
    [{ learningRate: Number.NaN }, /learningRate/],
    [{ iterations: 1.5 }, /iterations/],
  ]
  for (const [options, text] of wrong) {
    let message = ''
    await optimiseMask(gpu, network, [scan(1)], options).catch((e) => {
      assert.ok(e instanceof InputError, String(e))
      message = e.message
    })
    assert.match(message, text)
  }
  assert.is(maskDefaults.fill, 'one')
})

test.run()
