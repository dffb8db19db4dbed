/** Agreement of rankings and likeness of maps, against values worked out by hand. */
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { cosine } from '../src/explain/regions/similarity.ts'
import { concordance, summarisePairs, topCounts } from '../src/explain/study/agreement.ts'
import { diceAtCount, mapSimilarity, strongest } from '../src/explain/study/map-similarity.ts'
import { InputError } from '../src/io/errors.ts'

const test = suite('agreement')
const near = (a: number | undefined, b: number) => assert.ok(Math.abs(a! - b) < 1e-12, `${a} is not ${b}`)

test('Kendall W by hand', () => {
  // Rank sums 1+2+1, 2+1+3, 3+3+2, 4+4+4: 4 6 8 12 about 7.5; S = 35; 12 S / (9 * 60) = 7 / 9.
  near(
    concordance([
      [1, 2, 3, 4],
      [2, 1, 3, 4],
      [1, 3, 2, 4],
    ]).w,
    7 / 9,
  )
  // With ties: ranks (1.5 1.5 3), (1 2 3): sums 2.5 3.5 6, S = 6.5; 12 * 6.5 / (4 * 24 - 2 * 6) = 78 / 84.
  near(
    concordance([
      [5, 5, 9],
      [1, 2, 3],
    ]).w,
    78 / 84,
  )
  // Opposite rankings: none.
  near(
    concordance([
      [1, 2, 3],
      [3, 2, 1],
    ]).w,
    0,
  )
  assert.is(
    concordance([
      [1, 1],
      [2, 2],
    ]).w,
    undefined,
  )
})

test('the permutation null is that of chance', () => {
  const same = [0, 1, 2, 3, 4, 5]
  const alike = concordance([same, same, same, same])
  near(alike.w, 1)
  // At 2000 shuffles of 720^3 arrangements nothing else reaches 1.
  near(alike.p, 1 / 2001)
  // E[W] under independence is 1 / judges.
  assert.ok(Math.abs(alike.chance! - 1 / 4) < 0.02, `chance ${alike.chance}`)
  const p = (seed: number) => concordance([same, same, [5, 0, 3, 1, 4, 2]], { seed }).p!
  assert.is(p(3), p(3))
  assert.throws(
    () => concordance([same]),
    (e: unknown) => e instanceof InputError && /two judges/.test(e.message),
  )
  assert.throws(() => concordance([same, [1, 2]]), /judge 2 has 2 scores/)
})

test('W is between 0 and 1, and 1 only for equal rankings', () => {
  const lists = fc.tuple(fc.integer({ min: 2, max: 6 }), fc.integer({ min: 2, max: 9 })).chain(([judges, items]) =>
    fc.array(fc.array(fc.integer({ min: 0, max: 5 }), { minLength: items, maxLength: items }), {
      minLength: judges,
      maxLength: judges,
    }),
  )
  fc.assert(
    fc.property(lists, (scores) => {
      const { w } = concordance(scores, { permutations: 0 })
      if (w !== undefined) assert.ok(w >= 0 && w <= 1 + 1e-12, `W ${w}`)
    }),
    { seed: 7, numRuns: 200 },
  )
})

test('tops and pairs', () => {
  assert.equal(
    topCounts(
      [
        [3, 1, 2],
        [1, 1, 0],
      ],
      2,
    ),
    [2, 1, 1],
  )
  assert.equal(summarisePairs([1, undefined, 3, Number.NaN]), { pairs: 2, mean: 2, sd: Math.SQRT2 })
  assert.equal(summarisePairs([]), { pairs: 0, mean: undefined, sd: undefined })
  assert.is(summarisePairs([4]).sd, undefined)
})

test('maps', () => {
  const a = Float32Array.of(0, 1, 2, 3, 0)
  const b = Float32Array.of(0, 3, 2, 1, 0)
  const found = mapSimilarity(a, b)
  assert.is(found.voxels, 3)
  near(found.pearson, -1)
  near(found.spearman, -1)
  near(found.cosine, 10 / 14)
  // With the empty voxels they look alike, which is why those are left out.
  assert.ok(mapSimilarity(a, b, () => true).pearson! > 0.2)
  assert.is(cosine([0, 0], [1, 2]), undefined)
  assert.equal(strongest(a, 2), [3, 2])
  near(diceAtCount(a, b, 2), 1 / 2)
  near(diceAtCount(a, a, 3), 1)
  // Fewer positive voxels than asked for: sets of 3 and 1, one in both.
  near(diceAtCount(a, Float32Array.of(-1, 0, 0, 5, 0), 5), 2 / 4)
  assert.is(diceAtCount(a, new Float32Array(5), 5), undefined)
  assert.throws(() => mapSimilarity(a, new Float32Array(4)), /maps of 5 and 4 voxels/)
})

test.run()
