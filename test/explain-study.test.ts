/** Pieces of the robustness study against values worked out by hand: pairs of contexts, the choice of lambdas, regions. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { contextPairs, pairKind } from '../src/explain/study/contexts.ts'
import { chooseSetting, type GridCell, gridNeighbours, gridStability } from '../src/explain/study/mask-grid.ts'
import { rankRegions, regionDensities } from '../src/explain/study/region-ranking.ts'
import { InputError } from '../src/io/errors.ts'
import { values } from './support/evaluate.ts'

const test = suite('study')
const near = (a: number | undefined, b: number) => assert.ok(Math.abs(a! - b) < 1e-12, `${a} is not ${b}`)

const CONTEXTS = [0, 1, 2].flatMap((fold) => [0, 1].map((run) => ({ fold, run })))

test('pairs of networks: what they differ in, and how many there are', () => {
  assert.is(pairKind({ fold: 1, run: 0 }, { fold: 1, run: 2 }), 'inter-run')
  assert.is(pairKind({ fold: 1, run: 2 }, { fold: 0, run: 2 }), 'inter-fold')
  assert.is(pairKind({ fold: 1, run: 0 }, { fold: 0, run: 2 }), 'inter-fold and run')
  assert.is(pairKind({ fold: 1, run: 1 }, { fold: 1, run: 1 }), undefined)
  const count = (once: boolean, kind: string) =>
    contextPairs(CONTEXTS, once).filter((pair) => pair.kind === kind).length
  // 3 folds of 2 runs: one pair of runs a fold; 3 pairs of folds for either run, and as many again crosswise.
  assert.equal([count(true, 'inter-run'), count(true, 'inter-fold'), count(true, 'inter-fold and run')], [3, 6, 6])
  assert.equal([count(false, 'inter-run'), count(false, 'inter-fold'), count(false, 'inter-fold and run')], [6, 12, 12])
})

/** A 2 x 3 grid whose masks lie in two regions. */
const cell = (lambda1: number, lambda2: number, after: number, area: number, densities: number[]): GridCell => {
  return { lambda1, lambda2, after, area, densities }
}
const GRID = [
  cell(1, 0.1, 0.1, 0.4, [1, 1]),
  cell(1, 1, 0.1, 0.3, [1, 0]),
  cell(1, 10, 0.2, 0.5, [0, 1]),
  cell(5, 0.1, 0.3, 0.2, [1, 0]),
  cell(5, 1, 0.4, 0.1, [1, 0]),
  cell(5, 10, 0.9, 0.05, [0, 0]),
]

test('neighbours in the grid, whatever the order of its cells', () => {
  assert.equal(gridNeighbours(GRID, 0), [1, 3])
  assert.equal(gridNeighbours(GRID, 4), [1, 3, 5])
  const turned = [...GRID].reverse()
  assert.equal(gridNeighbours(turned, 5), [2, 4])
})

test('stability by hand; an empty mask counts for nothing', () => {
  const found = gridStability(GRID, 1)
  // (1, 1) against (1, 0) twice: cos 45 degrees.
  near(found[0], Math.SQRT1_2)
  // Against (1, 1), (0, 1) and (1, 0).
  near(found[1], (Math.SQRT1_2 + 0 + 1) / 3)
  // The empty neighbour of the fifth is left out: (1, 0) and (1, 0).
  near(found[4], 1)
  assert.is(found[5], undefined)
  // Neighbours that are too weak are left out: of the fourth only the first remains, (1, 0) and (1, 1).
  near(gridStability(GRID, 0.35)[3], Math.SQRT1_2)
})

test('the choice: strong enough, then stable, then sparse', () => {
  const { chosen, reason } = chooseSetting(GRID, 0.5)
  // Fully stable among the strong: cell 4 alone ((0.71 + 1) / 2 for cell 3).
  assert.is(chosen, 4)
  assert.match(reason, /5 of 6 settings bring the mean probability below 0.5, 1 of them/)
  // A stricter bound takes it away; then cell 3 is the stablest.
  assert.is(chooseSetting(GRID, 0.35).chosen, 3)
  // Equally stable ones: the sparsest.
  const alike = [cell(1, 1, 0.1, 0.3, [1, 1]), cell(2, 1, 0.2, 0.2, [1, 1]), cell(3, 1, 0.3, 0.25, [1, 1])]
  assert.is(chooseSetting(alike, 0.5).chosen, 1)
  // None strong enough: the strongest, and it says so.
  const weak = chooseSetting(GRID, 0.05)
  assert.is(weak.chosen, 0)
  assert.match(weak.reason, /No mask brings the mean probability below 0.05/)
  // A single setting has no neighbours.
  assert.is(chooseSetting([GRID[0]!], 0.5).chosen, 0)
})

test('region densities, plain and weighted, against a count voxel by voxel', () => {
  const labels = Uint16Array.from({ length: 60 }, (_, v) => (v * 7) % 4)
  const atlas = {
    shape: [3, 4, 5] as const,
    affine: [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1],
    labels,
    regions: ['a', 'b', 'c', 'd'].map((name, n) => ({ name, values: [n + 1] })),
  }
  const [map, weights] = [values(60, 3), values(60, 4).map(Math.abs)]
  map[2] = Number.NaN
  const sums = { plain: [0, 0, 0, 0], weighted: [0, 0, 0, 0], count: [0, 0, 0, 0], weight: [0, 0, 0, 0] }
  labels.forEach((label, v) => {
    if (label === 0) return
    const value = Number.isNaN(map[v]!) ? 0 : map[v]!
    sums.plain[label - 1]! += value
    sums.count[label - 1]!++
    sums.weighted[label - 1]! += Math.fround(value * weights[v]!)
    sums.weight[label - 1]! += weights[v]!
  })
  const plain = regionDensities(map, atlas)
  const weighted = regionDensities(map, atlas, weights)
  for (const r of [0, 1, 2]) {
    near(plain[r]!, sums.plain[r]! / sums.count[r]!)
    near(weighted[r]!, sums.weighted[r]! / sums.weight[r]!)
  }
  // The fourth region has no voxel.
  assert.equal([plain[3], weighted[3]], [0, 0])
  assert.throws(
    () => regionDensities(map, atlas, weights.subarray(1)),
    (error: unknown) => error instanceof InputError && /59 voxels/.test(error.message),
  )
})

test('ranking of regions over networks and folds', () => {
  const regions = ['p', 'q', 'r'].map((name, n) => ({ region: n + 10, name }))
  const contexts = [
    { fold: 0, run: 0 },
    { fold: 0, run: 1 },
    { fold: 1, run: 0 },
    { fold: 1, run: 1 },
  ]
  const densities = [
    [3, 1, 2],
    [1, 3, 0],
    [5, 1, 0],
    [5, 3, 4],
  ]
  const { regions: ranked, concordance } = rankRegions(contexts, densities, regions, { top: 1, permutations: 50 })
  assert.equal(
    ranked.map(({ name, mean }) => [name, mean]),
    [
      ['p', 3.5],
      ['q', 2],
      ['r', 1.5],
    ],
  )
  near(ranked[0]!.sd, Math.sqrt((0.25 + 6.25 + 2.25 + 2.25) / 3))
  assert.is(ranked[0]!.region, 10)
  // Means of fold 1: 2, 2, 1 (the first of equals counts); of fold 2: 5, 2, 2. Single networks: p three times, q once.
  assert.equal(
    ranked.map(({ folds, networks }) => [folds, networks]),
    [
      [2, 3],
      [0, 1],
      [0, 0],
    ],
  )
  // Ranks 3 1 2, 2 3 1, 3 2 1, 3 1 2 (largest 3): sums 11 7 6 about 8, S = 14; 12 * 14 / (16 * 24).
  near(concordance.networks.w, (12 * 14) / (16 * 24))
  assert.equal(
    concordance.runs.map(({ fold }) => fold),
    [0, 1],
  )
})

test.run()
