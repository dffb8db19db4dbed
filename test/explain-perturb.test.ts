/** Occlusion with spheres and before residualisation, RISE, and how the perturbation methods behave. */
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { settingsOf } from '../src/explain/method.ts'
import { atlasOcclusion } from '../src/explain/perturb/atlas-occlusion.ts'
import { type OcclusionSettings, occlusion } from '../src/explain/perturb/occlusion.ts'
import { rise } from '../src/explain/perturb/rise.ts'
import { BALL_LIMIT, ballWindows, boxWindows, type Windows } from '../src/explain/perturb/windows.ts'
import { classify } from '../src/explain/predict.ts'
import { InputError } from '../src/io/errors.ts'
import { architectures, initialise } from '../src/model/architectures.ts'
import { assertClose, closeTestGpu, testGpu, values } from './support/evaluate.ts'
import { type Covers, eachVoxel, meanFalls, riseMask, type Size } from './support/reference/perturb.ts'

const test = suite('perturbation methods')
test.after(closeTestGpu)

const SIZE: Size = [8, 9, 8]
const VOXELS = 8 * 9 * 8
// Of an untrained network, whose scores hardly move: weights ten times as large make them.
const small = initialise(architectures.smallCnn({ inputShape: [1, ...SIZE] }), 5)
const network = {
  ...small,
  weights: new Map(
    [...small.weights].map(([name, { shape, data }]) => [
      name,
      { shape, data: name.endsWith('.weight') && shape.length > 1 ? data.map((v) => 2.5 * v) : data },
    ]),
  ),
}
/** A scan that is zero outside of a box, as brains are. */
const tensor = values(VOXELS, 4).map((v) => v + 1)
eachVoxel(SIZE, (v, d, h, w) => {
  if (d > 5 || h < 2 || w < 2) tensor[v] = 0
})

const scoreOf =
  (target: number, kind: 'logits' | 'probabilities' = 'logits') =>
  async (tensors: readonly Float32Array[]) =>
    (await classify(await testGpu(), network, tensors)).map((answer) => answer[kind][target]!)

async function occlude(given: Partial<OcclusionSettings>, input: object = {}, batch?: number) {
  const explainer = await occlusion.make(await testGpu(), network, settingsOf(occlusion, given), { batch })
  const [found] = await explainer.explain([{ tensor, target: 0, ...input }])
  explainer.destroy()
  return found!
}

/** Balls by their definition, in mm: centres every `stride` voxels, the rest of each axis split between its ends. */
function balls(radius: number, stride: Size, spacing: Size): Covers[] {
  const places = SIZE.map((n, k) => {
    const first = Math.floor(((n - 1) % stride[k]!) / 2)
    return Array.from({ length: n }, (_, v) => v).filter((v) => v >= first && (v - first) % stride[k]! === 0)
  })
  return places[0]!.flatMap((d) =>
    places[1]!.flatMap((h) =>
      places[2]!.map(
        (w): Covers =>
          (...at) =>
            Math.hypot(...[d, h, w].map((c, k) => (at[k]! - c) * spacing[k]!)) <= radius * (1 + 1e-6),
      ),
    ),
  )
}

test('windows cover what their numbers say, as the kernel reads them, and leave no voxel out', () => {
  const length = fc.integer({ min: 1, max: 9 })
  const triple = fc.tuple(length, length, length)
  const spacings = fc.constantFrom<Size>([1, 1, 1], [1.5, 1.5, 1.5], [0.7, 1.3, 2])
  fc.assert(
    fc.property(
      triple,
      triple,
      triple,
      spacings,
      fc.integer({ min: 1, max: 12 }),
      (size, edge, stride, spacing, radius) => {
        for (const ball of [false, true]) {
          let windows: Windows
          try {
            windows = ball ? ballWindows(size, radius, stride, spacing) : boxWindows(size, edge, stride)
          } catch (error) {
            assert.match((error as Error).message, /leave voxels uncovered/)
            continue
          }
          const covered = new Uint8Array(size[0] * size[1] * size[2])
          for (let n = 0; n < windows.count; n++) {
            const row = windows.row(n).map(Math.fround)
            const inside = new Uint8Array(covered.length)
            windows.eachSpan(n, (from, end) => inside.fill(1, from, end))
            eachVoxel(size, (v, ...place) => {
              const apart = place.map((p, k) => Math.fround(Math.fround(p - row[k]!) * row[k + 3]!) ** 2)
              const expected = ball
                ? apart[0]! + apart[1]! + apart[2]! <= BALL_LIMIT
                : place.every((p, k) => p >= row[k]! && p < row[k + 3]!)
              assert.is(inside[v] === 1, expected)
              covered[v]! |= inside[v]!
            })
            assert.ok(inside.includes(1))
          }
          assert.not(covered.includes(0))
        }
      },
    ),
    { seed: 8, numRuns: 60 },
  )
})

test('spheres: radius and stride in mm of voxels that are no cubes', async () => {
  const spacing: Size = [1, 1.5, 2]
  const found = await occlude(
    { shape: 'sphere', radius: 3, stride: [2, 3, 4], value: 0.7, score: 'logit' },
    { spacing },
  )
  const other = tensor.map(() => Math.fround(0.7))
  const expected = await meanFalls(SIZE, balls(3, [2, 2, 2], spacing), scoreOf(0), tensor, other)
  assertClose(found.relevance, expected, 'spheres', { relative: 1e-4, absolute: 1e-5 })
  assert.is(found.facts.windows, 4 * 5 * 4)
})

test('spheres: radius and stride in voxels, whatever their size', async () => {
  const given: Partial<OcclusionSettings> = { shape: 'sphere', radius: 2, stride: [2, 2, 2], unit: 'voxel' }
  const found = await occlude(given, { spacing: [1, 1.5, 2] })
  const expected = await meanFalls(
    SIZE,
    balls(2, [2, 2, 2], [1, 1, 1]),
    scoreOf(0, 'probabilities'),
    tensor,
    new Float32Array(VOXELS),
  )
  assertClose(found.relevance, expected, 'spheres', { relative: 1e-4, absolute: 1e-6 })
  // Windows outside of what is not zero change nothing, and are not run.
  assert.ok(found.facts.active! < found.facts.windows!)
})

test('intensities change before residualisation, and residuals by the same difference', async () => {
  const plain = tensor.map((v) => 2 * v + 0.25)
  // A voxel that the residualisation leaves out has a residual of 0 and keeps it.
  const used = (v: number) => tensor[v] !== 0
  const given: Partial<OcclusionSettings> = { edge: [4, 4, 4], stride: [4, 4, 4], score: 'logit' }
  const halved = await occlude({ ...given, change: 'scale', value: 0.5 }, { plain })
  const other = tensor.map((value, v) => (used(v) ? value - 0.5 * plain[v]! : 0))
  const starts = SIZE.map((n) => (n <= 4 ? [0] : Array.from({ length: Math.ceil((n - 4) / 4) + 1 }, (_, k) => 4 * k)))
  const boxes = starts[0]!.flatMap((d0) =>
    starts[1]!.flatMap((h0) =>
      starts[2]!.map(
        (w0): Covers =>
          (d, h, w) =>
            [d - d0, h - h0, w - w0].every((t) => t >= 0 && t < 4),
      ),
    ),
  )
  assertClose(halved.relevance, await meanFalls(SIZE, boxes, scoreOf(0), tensor, other), 'halved', {
    relative: 1e-4,
    absolute: 1e-5,
  })
  // Without residuals, scaling by 0 is replacing by 0.
  assert.equal(
    (await occlude({ ...given, change: 'scale', value: 0 })).relevance,
    (await occlude({ ...given, change: 'replace', value: 0 })).relevance,
  )
})

test('the same bits whatever the batch; the predicted class where none is asked for', async () => {
  const given: Partial<OcclusionSettings> = { edge: [3, 3, 3], stride: [2, 2, 2] }
  const [one, seven] = [await occlude(given, {}, 1), await occlude(given, {}, 7)]
  assert.equal(one.relevance, seven.relevance)
  assert.ok(one.relevance.some((v) => v !== 0))
  const free = await occlude(given, { target: undefined })
  assert.is(free.target, free.logits.indexOf(Math.max(...free.logits)))
  const other = await occlude(given, { target: 1 - free.target })
  // Two probabilities sum to 1.
  assertClose(
    other.relevance,
    free.relevance.map((v) => -v),
    'the other class',
    { relative: 1e-3, absolute: 1e-6 },
  )
})

test('RISE is the mean of its masks, weighted by the score', async () => {
  const gpu = await testGpu()
  const given = { masks: 21, cells: [3, 2, 3] as const, keep: 0.4, value: 0.3, score: 'logit' as const }
  const run = async (centred: boolean, batch: number) => {
    const explainer = await rise.make(gpu, network, settingsOf(rise, { ...given, centred }), { batch, seed: 9 })
    const [found] = await explainer.explain([{ tensor, target: 1 }])
    explainer.destroy()
    return found!
  }
  const masks = Array.from({ length: given.masks }, (_, n) => riseMask(SIZE, given.cells, given.keep, 9, n))
  const scores = await scoreOf(1)(masks.map((mask) => tensor.map((v, i) => 0.3 + mask[i]! * (v - 0.3))))
  const mean = scores.reduce((a, b) => a + b) / masks.length
  const expected = (offset: number) =>
    tensor.map((_, v) => masks.reduce((sum, mask, n) => sum + (scores[n]! - offset) * mask[v]!, 0) / (21 * 0.4))
  const plain = await run(false, 4)
  assertClose(plain.relevance, expected(0), 'RISE', { relative: 1e-4, absolute: 1e-5 })
  assertClose((await run(true, 4)).relevance, expected(mean), 'centred', { relative: 1e-3, absolute: 2e-4 })
  assertClose((await run(false, 21)).relevance, plain.relevance, 'batch', { relative: 1e-5, absolute: 1e-5 })
  assert.equal((await run(false, 4)).relevance, plain.relevance)
  assert.ok(Math.abs(plain.facts.meanScore! - mean) < 1e-4)
})

test('nothing is allocated after the first scan; progress grows to 1; a signal stops it', async () => {
  const gpu = await testGpu()
  const regions = Uint16Array.from(tensor, (_, v) => v % 4)
  const input = { tensor, regions }
  for (const make of [
    () => occlusion.make(gpu, network, settingsOf(occlusion, { edge: [3, 3, 3], stride: [1, 1, 1] }), { batch: 2 }),
    () => atlasOcclusion.make(gpu, network, settingsOf(atlasOcclusion), { batch: 2 }),
    () => rise.make(gpu, network, settingsOf(rise, { masks: 40 }), { batch: 2 }),
  ]) {
    ;(await make()).destroy()
    const before = gpu.counters.bytes
    const explainer = await make()
    const [first] = await explainer.explain([input])
    const { buffers } = gpu.counters
    const shares: number[] = []
    const again = await explainer.explain([input, input], { onProgress: (share) => shares.push(share) })
    assert.is(gpu.counters.buffers, buffers)
    assert.equal(
      again.map(({ relevance }) => relevance),
      [first!.relevance, first!.relevance],
    )
    assert.is(shares.at(-1), 1)
    assert.ok(shares.every((share, k) => share > 0 && (k === 0 || share >= shares[k - 1]!)))
    const abort = new AbortController()
    const stopped = explainer.explain([input, input], {
      signal: abort.signal,
      onProgress: () => abort.abort(new Error('enough')),
    })
    await stopped.then(
      () => assert.unreachable(),
      (error: Error) => assert.is(error.message, 'enough'),
    )
    // What was stopped leaves nothing behind.
    assert.equal((await explainer.explain([input]))[0]!.relevance, first!.relevance)
    explainer.destroy()
    assert.is(gpu.counters.bytes, before)
  }
})

test('refusals say what to do', async () => {
  const gpu = await testGpu()
  const explainer = await occlusion.make(gpu, network, settingsOf(occlusion, { edge: [3, 3, 3], stride: [4, 4, 4] }))
  const atlas = await atlasOcclusion.make(gpu, network, settingsOf(atlasOcclusion))
  const refusals: [() => Promise<unknown>, RegExp][] = [
    [() => explainer.explain([{ tensor }]), /windows of 3 x 3 x 3 voxels every 4 x 4 x 4 .*smaller stride/],
    [() => occlude({}, { plain: tensor.subarray(1) }), /before residualisation has 575/],
    [() => atlas.explain([{ tensor }]), /no regions; give an atlas/],
    [() => atlas.explain([{ tensor, regions: new Uint16Array(3) }]), /3 region labels for 576 voxels/],
    [() => atlas.explain([{ tensor, regions: new Uint16Array(VOXELS) }]), /no region of the atlas lies in it/],
  ]
  for (const [refused, text] of refusals) {
    const error = await refused().then(
      () => undefined,
      (reason: unknown) => reason as Error,
    )
    assert.instance(error, InputError)
    assert.match(error!.message, text)
  }
  explainer.destroy()
  atlas.destroy()
  assert.throws(() => occlusion.settings.stride.read([1, 2], 'stride'), /stride must be a number or three/)
  assert.throws(() => occlusion.settings.stride.read(0, 'stride'), /stride must be a number from/)
  assert.equal(occlusion.settings.edge.read(4, 'edge'), [4, 4, 4])
})

test.run()
