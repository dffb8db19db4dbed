/** Many masks at a time: each has the bits it has alone, and scans come and results go one batch at a time. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  type MaskOptions,
  type MaskResult,
  type MasksOptions,
  optimiseMask,
  optimiseMasks,
  planMasks,
} from '../src/explain/mask.ts'
import { InputError } from '../src/io/errors.ts'
import { initialise, posterCnn } from '../src/model/architectures.ts'
import { closeTestGpu, testGpu, values } from './support/evaluate.ts'

const test = suite('masks in batches')
test.after(closeTestGpu)

const size = [9, 11, 10] as const
const voxels = 9 * 11 * 10
const network = initialise(posterCnn({ inputShape: [1, ...size], channels: [4, 6] }), 3)

/** A scan with background. */
const scan = (seed: number) => ({
  name: `scan ${seed}`,
  tensor: values(voxels, seed).map((v, i) => (i % 4 === 0 ? 0 : 0.5 + 0.5 * v)),
})
const scans = [1, 2, 3, 4, 5].map(scan)

const base: MaskOptions = { score: 'logit', iterations: 8, tolerance: 0, resolution: 3, jitter: 1, lambda1: 0.01 }

/** A network that keeps what is not finite. */
const linear = initialise(posterCnn({ inputShape: [1, ...size], channels: [] }), 3)

async function all(
  list: Iterable<ReturnType<typeof scan>>,
  options: MasksOptions,
  by = network,
): Promise<MaskResult[]> {
  const found: MaskResult[] = []
  for await (const outcome of optimiseMasks(await testGpu(), by, list, options)) {
    if ('error' in outcome) throw outcome.error
    found.push(outcome.result)
  }
  return found
}

/** Fails unless the results are the same, bit by bit. */
function assertSame(actual: readonly MaskResult[], expected: readonly MaskResult[]): void {
  assert.is(actual.length, expected.length)
  for (const [k, one] of actual.entries()) {
    const other = expected[k]!
    // Long lists of numbers are no help to a reader.
    for (const name of ['mask', 'before', 'after', 'trace', 'settings'] as const) {
      assert.ok(JSON.stringify(one[name]) === JSON.stringify(other[name]), `${name} of result ${k} differs`)
    }
    for (const name of ['target', 'iterations', 'converged'] as const) assert.is(one[name], other[name], name)
  }
}

test('scans and settings at a time have the bits of one at a time, in order, the last batch not full', async () => {
  const gpu = await testGpu()
  const lambdas = [
    { lambda1: 0.01, lambda2: 0.1 },
    { lambda1: 0.5, lambda2: 0.01 },
  ]
  const together = await all(scans, { ...base, lambdas, batch: 4 })
  const alone: MaskResult[] = []
  for (const { tensor } of scans) {
    for (const pair of lambdas) alone.push(await optimiseMask(gpu, network, [tensor], { ...base, ...pair }))
  }
  assert.is(together.length, 10)
  assertSame(together, alone)
  assert.not.equal(together[0]!.mask, together[1]!.mask, 'settings differ')
  assert.not.equal(together[0]!.mask, together[2]!.mask, 'scans differ')
})

test('each mask stops when its own loss has settled', async () => {
  const options: MaskOptions = { ...base, jitter: 0, iterations: 60, tolerance: 3e-3, learningRate: 0.03 }
  const lambdas = [0.001, 0.1, 3].map((lambda1) => ({ lambda1, lambda2: 0.01 }))
  const together = await all(scans.slice(0, 2), { ...options, lambdas, batch: 4 })
  const alone = await all(scans.slice(0, 2), { ...options, lambdas, batch: 1 })
  assertSame(together, alone)
  const steps = new Set(together.map(({ iterations }) => iterations))
  assert.ok(steps.size > 1, `all stopped at step ${[...steps]}`)
  assert.ok(together.some(({ converged }) => converged))
  for (const { iterations, trace } of together) {
    assert.is(trace.length, iterations)
    assert.is(iterations % 10, 0)
  }
})

test('a group fed several scans at a time has the bits of one at a time', async () => {
  const gpu = await testGpu()
  const tensors = scans.map(({ tensor }) => tensor)
  const results: MaskResult[] = []
  for (const [batch, resolution] of [
    [1, 3],
    [4, 3],
    [5, 3],
    [1, 1],
    [4, 1],
  ] as const) {
    results.push(await optimiseMask(gpu, network, tensors, { ...base, fill: 'mean', batch, resolution }))
  }
  const [one, four, five, fine, fineFour] = results as [MaskResult, ...MaskResult[]]
  assertSame([four!, five!, fineFour!], [one, one, fine!])
  assert.is(one.after.length, scans.length)
})

test('steps that compute only what a mask within tissue changes have the bits of steps that compute everything', async () => {
  const gpu = await testGpu()
  const [d, h, w] = [18, 14, 20]
  const wide = initialise(posterCnn({ inputShape: [1, d, h, w], channels: [4, 6] }), 3)
  /** A small head somewhere in the volume. */
  const head = (seed: number, [z, y, x]: readonly [number, number, number]) =>
    values(d * h * w, seed).map((v, i) => {
      const at = [Math.floor(i / (h * w)) - z, (Math.floor(i / w) % h) - y, (i % w) - x]
      return Math.hypot(...at) < 4 ? 0.5 + 0.4 * v : 0
    })
  const heads = [head(1, [5, 5, 6]), head(2, [6, 5, 6]), head(3, [12, 8, 14])]
  const options = { ...base, jitter: 0, target: 1 }
  // What is replaced by zero where it is zero is left alone, but the program cannot know.
  const everywhere = (tissue: Float32Array) => ({
    ...options,
    within: 'volume' as const,
    fill: 'mean' as const,
    reference: tissue,
  })
  const tissue = (of: readonly Float32Array[]) => of[0]!.map((_, i) => (of.some((one) => one[i] !== 0) ? 1 : 0))
  const same = (a: MaskResult, b: MaskResult) => assertSame([a], [{ ...b, settings: a.settings }])
  for (const one of heads) {
    same(await optimiseMask(gpu, wide, [one], options), await optimiseMask(gpu, wide, [one], everywhere(tissue([one]))))
  }
  // One program for several scans after each other, whose tissue lies elsewhere.
  const alone = await Promise.all(heads.map((one) => optimiseMask(gpu, wide, [one], options)))
  for (const batch of [1, 2]) {
    const list = heads.map((tensor, k) => ({ name: `head ${k}`, tensor }))
    assertSame(await all(list, { ...options, batch }, wide), alone)
  }
  const groups = await Promise.all([1, 2, 3].map((batch) => optimiseMask(gpu, wide, heads, { ...options, batch })))
  for (const group of groups.slice(1)) assertSame([group], [groups[0]!])
  // A group of scans with one and the same tissue, against everything.
  const pair = [heads[0]!, heads[0]!.map((v) => v * 0.8)]
  const shared = await optimiseMask(gpu, wide, pair, { ...options, batch: 1 })
  same(shared, await optimiseMask(gpu, wide, pair, { ...everywhere(tissue(pair)), batch: 2 }))
})

test('blurred replacements and spacings are those of each scan', async () => {
  const gpu = await testGpu()
  const options: MaskOptions = { ...base, fill: 'blur' }
  const spaced = scans
    .slice(0, 4)
    .map((s, k) => ({ ...s, spacing: k < 3 ? ([4, 4, 4] as const) : ([2, 4, 5] as const) }))
  const together = await all(spaced, { ...options, batch: 4 })
  const alone: MaskResult[] = []
  for (const { tensor, spacing } of spaced) {
    alone.push(await optimiseMask(gpu, network, [tensor], { ...options, spacing }))
  }
  assertSame(together, alone)
})

test('a mask that fails leaves the others alone', async () => {
  // A scan whose score of class 1 is larger than any number, in whatever order it is summed.
  const weights = linear.weights.get('output.weight')!.data.subarray(voxels)
  const broken = { name: 'broken', tensor: weights.map((w) => Math.sign(w) * 3e38) }
  const options: MasksOptions = { ...base, target: 1, batch: 4 }
  const outcomes = []
  for await (const outcome of optimiseMasks(await testGpu(), linear, [scans[0]!, broken, scans[1]!], options)) {
    outcomes.push(outcome)
  }
  const good = await all(scans.slice(0, 2), { ...base, target: 1, batch: 1 }, linear)
  assert.equal(
    outcomes.map((outcome) => outcome.scan.name),
    ['scan 1', 'broken', 'scan 2'],
  )
  const [first, failed, last] = outcomes
  assert.ok('error' in failed! && failed.error instanceof InputError)
  assert.match(failed.error.message, /loss became (NaN|Infinity) at step 1:/)
  assertSame(
    [first, last].flatMap((outcome) => ('result' in outcome! ? [outcome.result] : [])),
    good,
  )
})

test('scans are taken as they are needed, one batch ahead, and nothing is left behind by who stops listening', async () => {
  const gpu = await testGpu()
  await all(scans.slice(0, 1), base)
  const { bytes } = gpu.counters
  let taken = 0
  let closed = false
  function* source() {
    try {
      for (let k = 1; ; k++) {
        taken = k
        yield scan(k)
      }
    } finally {
      closed = true
    }
  }
  const progress: number[] = []
  const onProgress: MaskOptions['onProgress'] = ({ first, count }) => progress.push(first, count)
  const seen: number[] = []
  for await (const _ of optimiseMasks(gpu, network, source(), { ...base, batch: 1, onProgress })) {
    seen.push(taken)
    if (seen.length === 4) break
  }
  assert.ok(
    seen.every((count, k) => count <= k + 4),
    `scans taken when results came: ${seen}`,
  )
  assert.ok(seen[0]! > 1, 'the next scan is there when the first result is')
  assert.ok(closed)
  assert.equal(progress.slice(0, 2), [0, 1])
  assert.ok(progress.includes(3))
  assert.is(gpu.counters.bytes, bytes, 'bytes alive afterwards')
})

test('what the source throws comes through, after the results before it', async () => {
  function* source() {
    yield scan(1)
    throw new InputError('no more')
  }
  let results = 0
  let message = ''
  try {
    for await (const _ of optimiseMasks(await testGpu(), network, source(), { ...base, batch: 1 })) results++
  } catch (error) {
    message = (error as Error).message
  }
  assert.is(message, 'no more')
  assert.is(results, 1)
})

test('the batch is chosen within the memory allowed, and all batches are as full', async () => {
  const gpu = await testGpu()
  const planned = planMasks(gpu, network, base, 17)
  assert.ok(planned.batch > 1)
  assert.ok(Math.ceil(17 / planned.batch) * planned.batch - 17 < Math.ceil(17 / planned.batch))
  const { total } = planMasks(gpu, network, { ...base, batch: 2 }, 17)
  const tight = planMasks(gpu, network, { ...base, memoryLimit: total }, 17)
  assert.is(tight.batch, 2)
  assert.ok(tight.total <= total)
})

test('lambdas that make no sense are refused by name', async () => {
  const message = async (options: MasksOptions) => {
    try {
      await all(scans, options)
    } catch (error) {
      assert.ok(error instanceof InputError, String(error))
      return error.message
    }
    return ''
  }
  assert.match(await message({ lambdas: [] }), /lambdas is empty/)
  assert.match(await message({ lambdas: [{ lambda1: 1, lambda2: -1 }] }), /lambda2 is -1/)
  assert.match(await message({ batch: 0 }), /batch is 0/)
})

test.run()
