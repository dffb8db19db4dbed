/** Measures that need no GPU, against their definitions in float64. */
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { areaOver, areaUnder, completenessError, gini, relativeChange } from '../src/explain/judge/formulas.ts'
import { groupSums, patches, patchSteps, randomSubsets, relevanceSteps } from '../src/explain/judge/groups.ts'
import { judgeDefaults, judgeSettings } from '../src/explain/judge/options.ts'
import { cascade, randomised } from '../src/explain/judge/randomise.ts'
import { descending, pearson, ranksOf, shuffled, spearman } from '../src/explain/judge/ranking.ts'
import { massAccuracy, pointing, rankAccuracy, truthMask, voxelAuc } from '../src/explain/judge/truth.ts'
import { InputError } from '../src/io/errors.ts'
import { initialise, posterCnn } from '../src/model/architectures.ts'
import { giniOfPairs, pairsWon, slowPearson, slowRanks, trapezoids } from './support/reference/judge.ts'

const test = suite('measures of maps')
const RUNS = { numRuns: 60, seed: 7 }
/** Few different values, so that many are equal. */
const coarse = fc.array(fc.integer({ min: -4, max: 4 }), { minLength: 2, maxLength: 40 })
const fine = fc.array(fc.float({ min: -1e6, max: 1e6, noNaN: true }), { minLength: 2, maxLength: 40 })
const places = (values: ArrayLike<number>) => Uint32Array.from(values, (_, n) => n)
const near = (a: number | undefined, b: number, tolerance = 1e-9) =>
  assert.ok(Math.abs(a! - b) <= tolerance * Math.max(1, Math.abs(b)), `${a} should be ${b}`)

test('orders are those of the values, and equal ones keep the order they come in', () => {
  const check = (values: number[]) => {
    const map = Float32Array.from(values)
    const among = shuffled(places(map), 3)
    const place = new Map([...among].map((index, n) => [index, n]))
    const expected = [...among].sort((a, b) => map[b]! - map[a]! || place.get(a)! - place.get(b)!)
    assert.equal([...descending(map, among)], expected)
    const some = among.slice(0, Math.ceil(among.length / 2))
    assert.equal([...ranksOf(map, some)], slowRanks([...some].map((i) => map[i]!)))
  }
  fc.assert(fc.property(coarse, check), RUNS)
  fc.assert(fc.property(fine, check), RUNS)
  const tiny = Float32Array.of(0, -0, 1e-45, -1e-45, 3e38, -3e38, 65536, 65537)
  assert.equal([...descending(tiny, places(tiny))], [4, 7, 6, 2, 0, 1, 3, 5])
})

test('shuffled is a permutation that does not keep places, the same for a seed', () => {
  const mixed = shuffled(
    Uint32Array.from({ length: 1000 }, (_, n) => n),
    1,
  )
  assert.equal(
    [...mixed].sort((a, b) => a - b),
    Array.from({ length: 1000 }, (_, n) => n),
  )
  assert.ok(mixed.filter((v, n) => v === n).length < 20)
  assert.equal(shuffled(places(mixed), 1), mixed)
  assert.not.equal(shuffled(places(mixed), 2), mixed)
})

test('Spearman and Pearson', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.integer({ min: 0, max: 5 }), fc.integer({ min: 0, max: 5 })), {
        minLength: 3,
        maxLength: 30,
      }),
      (pairs) => {
        const [a, b] = [pairs.map(([p]) => p), pairs.map(([, q]) => q)]
        const found = spearman(Float32Array.from(a), Float32Array.from(b), places(a))
        const flat = new Set(a).size === 1 || new Set(b).size === 1
        if (flat) assert.is(found, undefined)
        else near(found, slowPearson(slowRanks(a), slowRanks(b)))
      },
    ),
    RUNS,
  )
  assert.is(pearson([0.1, 0.1, 0.1], [1, 2, 3]), undefined)
  near(pearson([1, 2, 3], [-2, -4, -6]), -1)
})

test('areas under and over a curve', () => {
  near(areaUnder([1, 0.5, 0]), 0.5)
  near(areaUnder([1, 0, 0, 0, 0]), trapezoids([1, 0, 0, 0, 0]))
  near(areaUnder([1, 0, 0, 0, 0]), 0.125)
  near(areaOver([3, 2, 1]), 1)
})

test('the Gini index is the mean difference of pairs', () => {
  fc.assert(
    fc.property(coarse, (values) => {
      const found = gini(Float32Array.from(values), places(values))
      if (values.every((v) => v === 0)) assert.is(found, undefined)
      else near(found, giniOfPairs(values))
    }),
    RUNS,
  )
  near(gini(Float32Array.of(0, 0, -5, 0), places([0, 0, 0, 0])), 0.75)
  near(gini(Float32Array.of(2, -2, 2), places([0, 0, 0])), 0)
})

test('completeness and relative change', () => {
  near(completenessError(Float32Array.of(1, 2, -0.5), 5), 0.5)
  near(completenessError(Float32Array.of(-4), 2), 1.5)
  near(completenessError(Float32Array.of(1), 0), 1)
  near(completenessError(Float32Array.of(0), 0), 0)
  near(relativeChange(Float32Array.of(3, 4), Float32Array.of(3, 1)), 0.6)
  assert.is(relativeChange(Float32Array.of(0, 0), Float32Array.of(3, 1)), undefined)
})

test('against the truth', () => {
  const inside = Uint8Array.of(1, 1, 0, 0, 0)
  assert.equal(truthMask(Float32Array.of(1, 0.5, 0.09, 0, 0), 0.1), Uint8Array.of(1, 1, 0, 0, 0))
  assert.is(truthMask(new Float32Array(5), 0.1), undefined)
  near(massAccuracy(Float32Array.of(3, 1, 2, 2, 0), inside), 0.5)
  assert.is(massAccuracy(new Float32Array(5), inside), undefined)
  near(rankAccuracy(Float32Array.of(3, 1, 2, 0, 0), inside, places(inside)), 0.5)
  near(rankAccuracy(Float32Array.of(3, 2.5, 2, 0, 0), inside, places(inside)), 1)
  near(pointing(Float32Array.of(3, 1, 3, 0, 0), inside), 0.5)
  near(pointing(Float32Array.of(3, 1, 0, 0, 0), inside), 1)
  fc.assert(
    fc.property(coarse, (values) => {
      const region = values.map((_, n) => Number(n % 3 === 0))
      if (!region.includes(0)) return
      near(voxelAuc(Float32Array.from(values), Uint8Array.from(region), places(values)), pairsWon(values, region))
    }),
    RUNS,
  )
  assert.is(voxelAuc(Float32Array.of(1, 2), Uint8Array.of(1, 1), places([0, 0])), undefined)
})

test('a random map has no better rank accuracy than chance, wherever the truth lies', () => {
  // All relevance alike: which voxels come first is for the random order alone.
  const flat = new Float32Array(4000).fill(1)
  const mixed = shuffled(places(flat), 5)
  for (const from of [0, 1800, 3000]) {
    const inside = Uint8Array.from(flat, (_, i) => Number(i >= from && i < from + 1000))
    near(rankAccuracy(flat, inside, mixed), 0.25, 0.04)
  }
})

test('groups: steps of relevance, cubes, and random sets', () => {
  const map = Float32Array.of(5, 1, 4, 9, 2, 3)
  const some = Uint32Array.of(0, 1, 2, 4, 5)
  const steps = relevanceSteps(map, some, 2)
  assert.equal([...steps.of], [0, 1, 0, 2, 1, 0])
  // 2 channels of 3 x 2 x 5, cubes of 2: [0,1][2] x [0,1] x [0,1][2,3][4], of which those with w = 4 hold nothing.
  const shape = [2, 3, 2, 5]
  const among = Uint32Array.from({ length: 60 }, (_, i) => i).filter((i) => i % 5 !== 4)
  const cubes = patches(shape, among, 2)
  assert.is(cubes.count, 4)
  for (let i = 0; i < 60; i++) {
    const [d, w] = [Math.floor((i % 30) / 10), i % 5]
    assert.is(cubes.of[i], w === 4 ? 4 : 2 * Number(d === 2) + Number(w >= 2))
  }
  const relevance = Float32Array.from({ length: 60 }, (_, i) => cubes.of[i]! * 0.5 - (i % 2))
  const sums = groupSums(relevance, cubes)
  for (let cube = 0; cube < 4; cube++) {
    near(
      sums[cube],
      [...relevance].reduce((sum, v, i) => sum + (cubes.of[i] === cube ? v : 0), 0),
    )
  }
  const ordered = patchSteps(relevance, cubes, { steps: 2, regions: 3, seed: 1 })
  const byRank = [0, 1, 2, 3].sort((a, b) => sums[b]! - sums[a]!)
  const stepOf = (cube: number) => ordered.of[cubes.of.indexOf(cube)]
  assert.equal(byRank.map(stepOf), [0, 0, 1, 2])
  assert.is(ordered.of[4], 2)
  const sets = randomSubsets(50, 10, 200, 3)
  assert.ok(sets.every((set) => set.reduce((a, b) => a + b, 0) === 10))
  for (let cube = 0; cube < 50; cube++) {
    const drawn = sets.reduce((sum, set) => sum + set[cube]!, 0)
    assert.ok(drawn > 15 && drawn < 70, `${cube} was drawn ${drawn} times of 40 expected`)
  }
})

test('layers are reset from the top, and only those', () => {
  const network = initialise(posterCnn({ inputShape: [1, 8, 8, 8], channels: [2, 3] }), 1)
  const layers = cascade(network)
  assert.is(layers[0], network.description.layers.findLast(({ type }) => type === 'dense')!.name)
  assert.is(layers.at(-1), network.description.layers[0]!.name)
  const names = [...network.weights.keys()]
  const changed = (count: number) => {
    const other = randomised(network, layers.slice(0, count), 9)
    assert.equal([...other.weights.keys()], names)
    const same = (name: string) => other.weights.get(name) === network.weights.get(name)
    return new Set(names.filter((name) => !same(name)).map((name) => name.slice(0, name.lastIndexOf('.'))))
  }
  assert.equal([...changed(1)], [layers[0]])
  assert.equal(changed(layers.length).size, layers.length)
})

test('options that will not do are named with what is allowed', () => {
  assert.equal(judgeSettings({}), { ...judgeDefaults, patch: 8 })
  assert.is(judgeSettings({ spacing: [1.5, 1.5, 1.5] }).patch, 5)
  assert.is(judgeSettings({ steps: undefined }).steps, 20)
  for (const options of [{ steps: 0 }, { share: 1 }, { radius: 0 }, { threshold: 1 }, { runs: 2.5 }, { patch: 0 }]) {
    const name = Object.keys(options)[0]!
    assert.throws(
      () => judgeSettings(options),
      (error: Error) => error instanceof InputError && error.message.includes(`option ${name} is`),
    )
  }
})

test.run()
