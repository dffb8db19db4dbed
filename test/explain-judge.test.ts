/** Judging on the GPU: against float64 where the network is linear and everything is known, and as a whole on small ones. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { guidedBackprop } from '../src/explain/gradient/guided.ts'
import { inputXGradient, saliency } from '../src/explain/gradient/saliency.ts'
import { randomMap, scanMap } from '../src/explain/judge/controls.ts'
import { type Candidate, openJudge } from '../src/explain/judge/judge.ts'
import { measureNames } from '../src/explain/judge/measures.ts'
import { type Attribution, type Method, settingsOf } from '../src/explain/method.ts'
import { InputError } from '../src/io/errors.ts'
import { initialise, posterCnn } from '../src/model/architectures.ts'
import { type Network, validateDescription, validateNetwork } from '../src/model/description.ts'
import { softmaxOf } from '../src/model/evaluation/metrics.ts'
import { assertClose, closeTestGpu, testGpu, values } from './support/evaluate.ts'
import { flipped, slowPearson, trapezoids } from './support/reference/judge.ts'

const test = suite('judging maps')
test.after(closeTestGpu)

const SHAPE = [1, 3, 4, 4] as const
const VOXELS = 48

/** Logits (0, w x + b). */
function linear(weights: Float32Array, bias = 0.3): Network {
  const layers = [
    { name: 'flat', type: 'flatten' },
    { name: 'out', type: 'dense', units: 2 },
  ]
  const json = { format: 'voxplain-network', version: 1, name: 'linear', input: SHAPE, layers, output: 'logits' }
  const data = new Float32Array(2 * VOXELS)
  data.set(weights, VOXELS)
  return validateNetwork(
    validateDescription(json),
    new Map([
      ['out.weight', { shape: [2, VOXELS], data }],
      ['out.bias', { shape: [2], data: Float32Array.of(0, bias) }],
    ]),
  )
}

async function candidate<S extends object>(method: Method<S>): Promise<Candidate> {
  const gpu = await testGpu()
  return { name: method.name, make: (network) => method.make(gpu, network, settingsOf(method), { batch: 3 }) }
}

/** A candidate whose maps are given. */
function given(map: (scan: Float32Array) => Float32Array): Candidate {
  return {
    name: 'given',
    make: async () => ({
      memory: { total: 0, temporaries: 0, fixed: 0, resident: 0 } as never,
      batch: 1,
      explain: async (inputs) =>
        inputs.map(
          ({ tensor, target }): Attribution => ({
            relevance: map(tensor),
            target: target!,
            logits: [],
            probabilities: [],
            facts: {},
          }),
        ),
      destroy() {},
    }),
  }
}

const weights = values(VOXELS, 4)
const scan = values(VOXELS, 5).map((v) => Math.abs(v) + 0.1)
const logitOf = (x: readonly number[]) => x.reduce((sum, v, i) => sum + v * weights[i]!, 0.3)
const probabilityOf = (x: readonly number[]) => softmaxOf([0, logitOf(x)])[1]!

test('a linear network: curves, areas and correlations are those of float64', async () => {
  const gpu = await testGpu()
  const judge = await openJudge(gpu, linear(weights), { steps: 8, patch: 1, runs: 12, batch: 3, samples: 4 })
  const input = { tensor: scan, target: 1 }
  const [found] = await judge.judge(await candidate(inputXGradient), [input])
  const relevance = Array.from(scan, (v, i) => v * weights[i]!)
  const counts = Array.from({ length: 9 }, (_, k) => (k * VOXELS) / 8)
  const without = flipped([...scan], relevance, 0, counts)
  // What is put in first is what is left when the others are taken, the least relevant first.
  const put = flipped(
    [...scan],
    relevance.map((v) => -v),
    0,
    counts.map((n) => VOXELS - n),
  )
  assertClose(found!.curves.deletion!, without.map(probabilityOf), 'deletion')
  assertClose(found!.curves.insertion!, put.map(probabilityOf), 'insertion')
  const { values: v } = found!
  const close = (a: number | undefined, b: number, what: string) => assertClose([a!], [b], what, { absolute: 2e-5 })
  close(v.deletion, trapezoids(without.map(probabilityOf)), 'deletion area')
  close(v.insertion, trapezoids(put.map(probabilityOf)), 'insertion area')
  const drops = without.map((x) => logitOf([...scan]) - logitOf(x))
  close(v.pixelFlipping, drops.reduce((a, b) => a + b, 0) / drops.length, 'pixel flipping')
  // Cubes of one voxel, all 48 of them within the 100 regions.
  close(v.regionPerturbation, v.pixelFlipping!, 'regions')
  close(v.faithfulnessCorrelation, 1, 'the drop is the sum of relevance')
  close(v.completeness, 0, 'relevance adds up to the difference')
  assert.is(found!.probability, found!.curves.deletion![0])
  assert.equal([v.massAccuracy, v.pointing], [undefined, undefined])
  assert.ok(Object.hasOwn(v, 'massAccuracy'))
  // The gradient of a linear network is the same everywhere.
  const [flat] = await judge.judge(await candidate(saliency), [input], { wanted: ['maxSensitivity', 'completeness'] })
  assert.is(flat!.values.maxSensitivity, 0)
  assert.ok(flat!.values.completeness! > 0.5)
  assert.equal(Object.keys(flat!.values).sort(), ['completeness', 'maxSensitivity'])
  // |w noise| / |w x|, with noise of up to 2 % of the range.
  const range = Math.max(...scan) - Math.min(...scan)
  const norm = (list: readonly number[]) => Math.hypot(...list)
  const most = norm(Array.from(weights, (w) => w * 0.02 * range)) / norm(relevance)
  assert.ok(v.maxSensitivity! > 0.3 * most && v.maxSensitivity! < most, `${v.maxSensitivity} of ${most}`)
  judge.destroy()
})

test('cubes, other replacements, and voxels that are left alone', async () => {
  const gpu = await testGpu()
  const hollow = scan.map((v, i) => (i % 5 === 0 ? 0 : v))
  const relevance = Array.from(values(VOXELS, 8))
  const cubeOf = (i: number) => (i >= 32 ? 4 : 0) + 2 * Math.floor((i % 16) / 8) + Math.floor((i % 4) / 2)
  for (const [fill, within] of [
    ['one', 'tissue'],
    ['zero', 'volume'],
  ] as const) {
    const judge = await openJudge(gpu, linear(weights), { fill, within, patch: 2, regions: 5, steps: 5, runs: 40 })
    const [found] = await judge.judge(
      given(() => Float32Array.from(relevance)),
      [{ tensor: hollow, target: 1 }],
    )
    const acts = (i: number) => within === 'volume' || hollow[i] !== 0
    const value = fill === 'one' ? 1 : 0
    const dropOf = (gone: (cube: number) => boolean) =>
      [...hollow].reduce((sum, x, i) => sum + (acts(i) && gone(cubeOf(i)) ? (x - value) * weights[i]! : 0), 0)
    const sums = Array.from({ length: 8 }, (_, cube) =>
      relevance.reduce((sum, r, i) => sum + (acts(i) && cubeOf(i) === cube ? r : 0), 0),
    )
    const order = sums.map((_, cube) => cube).sort((a, b) => sums[b]! - sums[a]!)
    const whole = logitOf([...hollow])
    const expected = Array.from({ length: 6 }, (_, k) => whole - dropOf((cube) => order.slice(0, k).includes(cube)))
    assertClose(found!.curves.regionPerturbation!, expected, `${fill} ${within}`, { absolute: 1e-5 })
    // One cube in each random set: relevance of cubes against their drops, drawn 40 times from 8.
    const single = slowPearson(
      sums,
      sums.map((_, cube) => dropOf((other) => other === cube)),
    )
    assert.ok(Math.abs(found!.values.faithfulnessCorrelation! - single) < 0.35)
    judge.destroy()
  }
})

test('the ideal order beats a random one, which beats the worst', async () => {
  const gpu = await testGpu()
  const judge = await openJudge(gpu, linear(weights), { steps: 12, patch: 1, runs: 30 })
  const inputs = [1, 2, 3, 4].map((seed) => ({ tensor: values(VOXELS, 30 + seed).map(Math.abs), target: 1 }))
  const wanted = ['deletion', 'insertion', 'pixelFlipping', 'regionPerturbation', 'faithfulnessCorrelation'] as const
  const product = (sign: number) => given((x) => x.map((v, i) => sign * v * weights[i]!))
  const best = await judge.judge(product(1), inputs, { wanted })
  const chance = await judge.judge(await candidate(randomMap), inputs, { wanted })
  const worst = await judge.judge(product(-1), inputs, { wanted })
  inputs.forEach((_, n) => {
    for (const name of wanted) {
      const [a, b, c] = [best, chance, worst].map((list) => list[n]!.values[name]!) as [number, number, number]
      assert.ok(name === 'deletion' ? a < b && b < c : a > b && b > c, `${name} of scan ${n}: ${a}, ${b}, ${c}`)
    }
  })
  judge.destroy()
})

test('resetting weights changes a gradient, and not a map that takes no notice of them', async () => {
  const gpu = await testGpu()
  const shape = [1, 8, 8, 8]
  const network = initialise(posterCnn({ inputShape: shape, channels: [4, 6] }), 2)
  const inputs = [1, 2].map((seed) => ({ tensor: values(512, seed).map((v) => v + 1.2) }))
  const judge = await openJudge(gpu, network, { seed: 3, draws: 2 })
  const resident = gpu.resident.size
  const wanted = ['randomisation', 'signedRandomisation', 'outputReset', 'complexityRise'] as const
  const guided = await judge.judge(await candidate(guidedBackprop), inputs, { wanted })
  const gradient = await judge.judge(await candidate(saliency), inputs, { wanted })
  const control = await judge.judge(await candidate(scanMap), inputs, { wanted })
  const chance = await judge.judge(await candidate(randomMap), inputs, { wanted })
  assert.ok(gpu.resident.size <= resident + 1, 'weights of reset networks are let go of')
  for (const n of inputs.keys()) {
    assert.is(gradient[n]!.curves.randomisation!.length, judge.layers.length)
    assert.ok(gradient[n]!.values.randomisation! < 0.4, `${gradient[n]!.values.randomisation}`)
    assert.ok(Math.abs(gradient[n]!.curves.randomisation!.at(-1)!) < 0.3)
    assert.ok(guided[n]!.values.outputReset! > gradient[n]!.values.outputReset! + 0.2)
    assert.ok(guided[n]!.values.signedRandomisation! > gradient[n]!.values.signedRandomisation! + 0.2)
    for (const verdict of [control[n]!, chance[n]!]) {
      assert.is(verdict.values.outputReset, 1)
      assert.is(verdict.values.complexityRise, 0)
      assert.ok(verdict.curves.randomisation!.every((r) => Math.abs(r! - 1) < 1e-9))
      assert.ok(Math.abs(verdict.values.randomisation! - 1) < 1e-9)
    }
  }
  judge.destroy()
})

test('truth: a map of it is perfect, the same run gives the same numbers, progress reaches 1', async () => {
  const gpu = await testGpu()
  const judge = await openJudge(gpu, linear(weights), { steps: 2, runs: 3, patch: 2, samples: 2 })
  const truth = Float32Array.from(scan, (_, i) => (i >= 20 && i < 30 ? 0.5 : 0))
  const inputs = [{ tensor: scan, target: 1, truth }]
  const shares: number[] = []
  const perfect = given(() => truth.map((v) => -v))
  const [found] = await judge.judge(perfect, inputs, { onProgress: (share) => shares.push(share) })
  const { massAccuracy, rankAccuracy, truthAuc, pointing } = found!.values
  assert.equal([massAccuracy, rankAccuracy, truthAuc, pointing], [1, 1, 1, 1])
  assert.equal(Object.keys(found!.values).sort(), [...measureNames].sort())
  assert.is(shares.at(-1), 1)
  assert.equal(await judge.judge(perfect, inputs), [found])
  const positive = await openJudge(gpu, linear(weights), { sign: 'positive' })
  const [other] = await positive.judge(perfect, inputs, { wanted: ['massAccuracy', 'rankAccuracy'] })
  assert.is(other!.values.massAccuracy, undefined)
  judge.destroy()
  positive.destroy()
})

test('what cannot be judged is said', async () => {
  const gpu = await testGpu()
  const judge = await openJudge(gpu, linear(weights))
  const refuses = async (promise: Promise<unknown>, pattern: RegExp) => {
    const error = await promise.then(
      () => undefined,
      (reason: unknown) => reason as Error,
    )
    assert.instance(error, InputError)
    assert.match(error!.message, pattern)
  }
  await refuses(
    judge.judge(
      given(() => new Float32Array(VOXELS).fill(Number.NaN)),
      [{ tensor: scan }],
    ),
    /given holds NaN/,
  )
  await refuses(judge.judge(await candidate(saliency), [{ tensor: new Float32Array(VOXELS) }]), /0 everywhere/)
  judge.destroy()
  await refuses(openJudge(gpu, linear(weights), { fill: 'mean' }), /reference/)
})

test.run()
