/** Explanations where intermediate values are stored as f16: gradients keep their range, masks stay close. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { backward } from '../src/engine/backward.ts'
import { compile } from '../src/engine/compile.ts'
import { release } from '../src/engine/gpu.ts'
import { conv3d } from '../src/engine/ops/conv.ts'
import { dense } from '../src/engine/ops/dense.ts'
import { affine, fill } from '../src/engine/ops/elementwise.ts'
import { select } from '../src/engine/ops/select.ts'
import { flatten } from '../src/engine/ops/shape.ts'
import { softmax } from '../src/engine/ops/softmax.ts'
import type { Precision } from '../src/engine/precision.ts'
import { constant, input } from '../src/engine/tensor.ts'
import { optimiseMask } from '../src/explain/mask.ts'
import { unitGradient } from '../src/explain/unit-gradient.ts'
import { initialise, smallCnn } from '../src/model/architectures.ts'
import { skip } from './support/data.ts'
import { assertClose, closeTestGpu, testGpu, values } from './support/evaluate.ts'

const test = suite('explain precision')
test.after(closeTestGpu)

const [N, D, H, W] = [2, 7, 8, 20] as const
const voxels = D * H * W

/**
 * Gradient of each sample's probability of class 1: the first sample is undecided, of the second the network is so sure
 * that the gradient is about 1e-9 per voxel.
 */
async function gradients(precision: Precision, unit: boolean): Promise<Float32Array> {
  const gpu = await testGpu()
  const x = input([N, 1, D, H, W])
  const kernels = constant([2, 1, 1, 1, 3], values(6, 2))
  const head = constant(
    [2, 2 * D * H * (W - 2)],
    values(4 * D * H * (W - 2), 3).map((v) => 0.01 * v),
  )
  const logits = affine(dense(flatten(conv3d(x, kernels)), head), 1)
  const score = select(softmax(logits), input([N], 'target'))
  const twice = (dx: typeof x) => affine(dx, 2)
  const dx = unit ? unitGradient(score, logits, x, twice) : twice(backward(score, [x], { seed: fill([N], 1) })[0]!)
  const program = await compile(gpu, { dx }, { precision, fuse: false })
  const scans = values(N * voxels, 4)
  // Along the gradient of the logits' difference, so that the second sample's class is certain.
  const away = await direction()
  for (let k = 0; k < voxels; k++) scans[voxels + k] = away[k]!
  for (const t of program.inputs) program.write(t, t === x ? scans : new Float32Array([1, 1]))
  program.run()
  const result = await program.read(dx)
  program.destroy()
  release(gpu, [...gpu.resident.keys()])
  return result

  /** Voxels at which the two logits are about 17 apart. */
  async function direction(): Promise<Float32Array> {
    const [along] = backward(logits, [x], { seed: constant([N, 2], new Float32Array([0, 0, 1, -1])) })
    const once = await compile(gpu, { along: along! })
    once.run()
    const g = (await once.read(along!)).slice(voxels)
    once.destroy()
    const square = g.reduce((s, v) => s + v * v, 0)
    return g.map((v) => (-17 * v) / square)
  }
}

/** Largest difference in parts of the largest value, of one sample. */
function difference(a: Float32Array, b: Float32Array, sample: number): number {
  const [p, q] = [a, b].map((all) => all.subarray(sample * voxels, (sample + 1) * voxels)) as [
    Float32Array,
    Float32Array,
  ]
  const worst = p.reduce((m, v, k) => Math.max(m, Math.abs(v - q[k]!)), 0)
  return worst / q.reduce((m, v) => Math.max(m, Math.abs(v)), 0)
}

test('scaled on the way and scaled back, the gradient is the same', async () => {
  const [plain, unit] = [await gradients('f32', false), await gradients('f32', true)]
  for (const sample of [0, 1]) assert.ok(difference(unit, plain, sample) < 1e-5, `sample ${sample}`)
  const largest = plain.subarray(voxels).reduce((m, v) => Math.max(m, Math.abs(v)), 0)
  assert.ok(largest > 0 && largest < 6e-8, `${largest} is no number that f16 cannot hold`)
})

test('gradients that f16 cannot hold are right all the same', async () => {
  const gpu = await testGpu()
  if (!gpu.features.has('shader-f16')) return skip(`${gpu.name} has no shader-f16`)
  const exact = await gradients('f32', false)
  const unit = await gradients('f16', true)
  for (const sample of [0, 1]) assert.ok(difference(unit, exact, sample) < 2e-3, `sample ${sample}`)
  assert.ok(difference(await gradients('f16', false), exact, 1) > 0.5, 'the test shows nothing')
})

test('a mask is close to that of f32, in less memory', async () => {
  const gpu = await testGpu()
  if (!gpu.features.has('shader-f16')) return skip(`${gpu.name} has no shader-f16`)
  const network = initialise(smallCnn({ inputShape: [1, 12, 13, 11] }), 3)
  const scan = values(12 * 13 * 11, 6).map((v) => 0.5 + 0.5 * v)
  const options = { iterations: 10, tolerance: 0, lambda1: 0.01, lambda2: 0.01 }
  const full = await optimiseMask(gpu, network, [scan], options)
  const half = await optimiseMask(gpu, network, [scan], { ...options, precision: 'f16' })
  assert.ok(half.gpuBytes < full.gpuBytes)
  assert.ok(Math.min(...full.mask) < 0.7, 'the mask has not moved')
  const off = half.mask.reduce((s, m, k) => s + Math.abs(m - full.mask[k]!), 0) / scan.length
  assert.ok(off < 0.05, `masks differ by ${off} on average`)
  assertClose(half.after[0]!, full.after[0]!, 'probabilities under the mask', { relative: 1e-2 })
})

test.run()
