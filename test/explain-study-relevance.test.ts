/** Statistics of studies of relevance: against numbers worked out by hand, or by other means. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { regionTable } from '../src/explain/regions/region-table.ts'
import { compareMaps } from '../src/explain/study/map-comparison.ts'
import { besideRandom } from '../src/explain/study/random-networks.ts'
import { correlate, partialCorrelate } from '../src/explain/study/relevance-correlation.ts'
import { chooseRegions, joinRegions, nearestNames, type RegionValues } from '../src/explain/study/relevance-regions.ts'
import { leastSquares, normativeResiduals } from '../src/explain/study/relevance-residuals.ts'
import { type CorrelationRow, type StudySubject, studyRelevance } from '../src/explain/study/relevance-study.ts'
import { makeAtlas } from '../src/io/atlas/atlas.ts'
import type { Covariates } from '../src/io/cohort/covariates.ts'
import { InputError } from '../src/io/errors.ts'
import { values } from './support/evaluate.ts'

const test = suite('study relevance')

const near = (found: number | undefined, wanted: number, tolerance = 1e-9) =>
  assert.ok(found !== undefined && Math.abs(found - wanted) <= tolerance, `${found} should be ${wanted}`)

const covariatesOf = (lists: Record<string, readonly number[]>): Covariates => {
  const names = Object.keys(lists)
  const rows = lists[names[0] ?? '']?.length ?? 0
  const cells = Float64Array.from({ length: rows * names.length }, (_, n) => {
    return lists[names[n % names.length]!]![Math.floor(n / names.length)]!
  })
  return { names, columns: names, values: cells, faults: [], notes: [] }
}
const NONE = covariatesOf({})

test('Pearson, Spearman and their intervals by hand', () => {
  // Deviations -2 -1 0 1 2 and -2 0 -1 2 1: products 4 + 0 + 0 + 2 + 2 = 8, squares 10 and 10, so r = 0.8 (ranks alike).
  const { n, pearson, spearman } = correlate([1, 2, 3, 4, 5], [1, 3, 2, 5, 4])
  assert.is(n, 5)
  near(pearson.r, 0.8)
  near(spearman.r, 0.8)
  // atanh 0.8 = ln 3 = 1.0986123; 1.9599640 / sqrt 2 = 1.3859038; tanh of -0.2872915 and 2.4845161.
  near(pearson.interval![0], Math.tanh(-0.2872915), 1e-7)
  near(pearson.interval![1], Math.tanh(2.4845161), 1e-7)
  // t = 0.8 sqrt(3 / 0.36) = 2.3094011; P(|t3| > 2.3094011) = 1 - (2/pi)(atan(t/sqrt 3) + (t/sqrt 3)/(1 + t^2/3)).
  const u = 4 / 3
  near(pearson.p, 1 - (2 / Math.PI) * (Math.atan(u) + u / (1 + u * u)), 1e-9)
  // Bonett and Wright: sqrt((1 + 0.32) / 2) = 0.8124038.
  near(spearman.interval![0], Math.tanh(Math.log(3) - 1.959963985 * 0.8124038405), 1e-8)
})

test('ranks: a curve that always rises has Spearman 1, ties share their ranks', () => {
  const x = [1, 2, 3, 4, 6]
  const curve = correlate(x, x.map(Math.exp))
  near(curve.spearman.r, 1)
  assert.ok(curve.pearson.r! < 0.9)
  // Ranks 1.5 1.5 3 4 and 1 2 3 4: sums of products 4.5, of squares 4.5 and 5.
  near(correlate([7, 7, 8, 9], [1, 2, 3, 4]).spearman.r, 4.5 / Math.sqrt(4.5 * 5))
})

test('what is not known is left out; a constant has no correlation', () => {
  const whole = correlate([1, 2, 3, 4], [2, 1, 4, 3])
  assert.equal(correlate([1, Number.NaN, 2, 3, 4], [2, 5, 1, 4, 3]), whole)
  const flat = correlate([1, 2, 3, 4], [0, 0, 0, 0])
  assert.is(flat.pearson.r, undefined)
  assert.is(flat.spearman.r, undefined)
  assert.is(correlate([5, 5, 5], [1, 2, 3]).pearson.r, undefined)
  assert.throws(
    () => correlate([1, 2], [1]),
    (error: Error) => error instanceof InputError,
  )
})

test('partial correlation of one covariate is its formula, and costs a degree of freedom', () => {
  const [x, y, z] = [1, 2, 3].map((seed) => Array.from(values(20, seed))) as [number[], number[], number[]]
  const mixed = x.map((value, n) => value + 2 * z[n]!)
  const other = y.map((value, n) => value - z[n]! + 0.5 * x[n]!)
  const r = (a: number[], b: number[]) => correlate(a, b).pearson.r!
  const [xy, xz, yz] = [r(mixed, other), r(mixed, z), r(other, z)]
  const wanted = (xy - xz * yz) / Math.sqrt((1 - xz ** 2) * (1 - yz ** 2))
  const found = partialCorrelate(mixed, other, [z])
  near(found.pearson.r, wanted, 1e-9)
  near(Math.atanh(found.pearson.interval![1]) - Math.atanh(wanted), 1.959963985 / Math.sqrt(20 - 1 - 3), 1e-7)
  // A covariate that follows from another costs nothing more.
  const twice = partialCorrelate(mixed, other, [z, z.map((value) => 3 - 2 * value)])
  near(twice.pearson.r, wanted, 1e-9)
  near(twice.pearson.p, found.pearson.p!, 1e-9)
  assert.is(partialCorrelate([1, 2, 3, 4], [2, 1, 3, 5], [[1, 2, 2, 1]]).pearson.r, undefined)
})

test('least squares leave what is at right angles to all columns', () => {
  const [y, a, b] = [4, 5, 6].map((seed) => Array.from(values(12, seed))) as [number[], number[], number[]]
  const { residuals, columns } = leastSquares([y], [a, b])
  assert.is(columns, 2)
  for (const column of [new Array(12).fill(1) as number[], a, b]) {
    near(
      column.reduce((sum, value, n) => sum + value * residuals[0]![n]!, 0),
      0,
      1e-12,
    )
  }
  assert.equal([...leastSquares([a], [a.map((value) => 2 * value + 1)]).residuals[0]!], new Array(12).fill(0))
})

test('residuals by controls: what the covariates explain of them is gone from everybody, and nothing of the disease', () => {
  const age = [60, 65, 70, 75, 80, 62, 68, 77, 71, 83]
  const sex = [0, 1, 0, 1, 0, 1, 0, 1, 1, 0]
  const lost = [0, 0, 0, 0, 0, 0, 0, 0, 1.5, 2]
  const volume = age.map((years, n) => 9 - 0.05 * years + 0.4 * sex[n]! - lost[n]!)
  const controls = [0, 1, 2, 3, 4, 5, 6, 7]
  const found = normativeResiduals(volume, covariatesOf({ age, sex }), controls)
  assert.equal(found.names, ['age', 'sex'])
  found.values.forEach((value, n) => void near(value, -lost[n]!, 1e-12))
  const missing = normativeResiduals(
    volume,
    covariatesOf({ age: age.map((a, n) => (n === 9 ? Number.NaN : a)), sex }),
    controls,
  )
  assert.ok(Number.isNaN(missing.values[9]!))
  near(missing.values[8], -1.5, 1e-12)
  // A covariate that does not vary is left out.
  assert.equal(normativeResiduals(volume, covariatesOf({ age, tiv: age.map(() => 1400) }), controls).names, ['age'])
})

const REGIONS = [
  'Hippocampus_L',
  'Hippocampus_R',
  'ParaHippocampal_L',
  'ParaHippocampal_R',
  'Amygdala_L',
  'Vermis',
].map((name, n) => ({ name, values: [n + 1] }))

test('regions by words: one side, both, several, and the nearest names of what there is not', () => {
  const choose = (...words: string[]) => chooseRegions({ regions: REGIONS }, words)
  assert.equal(choose('hippocampus', 'hippocampus_l', 'vermis'), [
    { name: 'Hippocampus', places: [0, 1] },
    { name: 'Hippocampus_L', places: [0] },
    { name: 'Vermis', places: [5] },
  ])
  assert.equal(choose('amygdala+hippocampus'), [{ name: 'amygdala+hippocampus', places: [0, 1, 4] }])
  const message = (...words: string[]) => {
    try {
      choose(...words)
    } catch (error) {
      assert.instance(error, InputError)
      return (error as Error).message
    }
    return ''
  }
  assert.match(message('hipocampus'), /"hipocampus"; the nearest names are Hippocampus,/)
  assert.match(message('campus'), /nearest names are Hippocampus, /)
  assert.match(message('hippocampus', 'Hippocampus_L+Hippocampus_R'), /same regions/)
  assert.match(message(''), /no region ""/)
  assert.is(nearestNames(REGIONS, 'amigdala', 1)[0], 'Amygdala')
})

test('both sides as one region: what a count over their voxels gives, on an oblique and flipped grid', () => {
  const affine = [-2, 0.3, 0, 10, 0.2, 1.9, 0.1, -8, 0, 0.1, 2.2, -5, 0, 0, 0, 1]
  const shape = [4, 5, 3] as const
  const label = Float32Array.from({ length: 60 }, (_, v) => v % 4)
  const names = [1, 2, 3].map((value) => ({ value, name: ['Hippocampus_L', 'Hippocampus_R', 'Other'][value - 1]! }))
  const atlas = makeAtlas({ shape, affine, data: label }, names)
  const map = { shape, affine, data: values(60, 7) }
  const scan = { shape, affine, data: values(60, 8).map(Math.abs) }
  const [region] = chooseRegions(atlas, ['hippocampus'])
  const found = joinRegions(regionTable(map, atlas, { scan }), region!)
  const inside = [...label.keys()].filter((v) => label[v] === 1 || label[v] === 2)
  const sum = (list: readonly number[]) => list.reduce((a, b) => a + b, 0)
  const own = inside.map((v) => map.data[v]!)
  // Determinant by hand: -2 (1.9 2.2 - 0.1 0.1) - 0.3 (0.2 2.2 - 0) + 0.
  const mm3 = 2 * (1.9 * 2.2 - 0.01) + 0.3 * 0.2 * 2.2
  assert.is(found.voxels, inside.length)
  near(found.mm3, inside.length * mm3)
  near(found.positive, sum(own.filter((v) => v > 0)))
  near(found.negative, sum(own.filter((v) => v < 0)))
  near(found.sum, sum(own))
  near(found.mean, sum(own) / own.length)
  near(found.density, sum(own) / own.length / mm3)
  near(found.volume, sum(inside.map((v) => scan.data[v]!)) * mm3)
  near(Math.abs(found.peak), Math.max(...own.map(Math.abs)))
})

const region = (volume: number, positive: number): RegionValues => {
  return {
    voxels: 1,
    mm3: 1,
    positive,
    negative: 0,
    sum: positive,
    mean: positive,
    density: positive,
    peak: positive,
    volume,
  }
}

test('a study: by group and together, residualised by controls, regions as classifiers', () => {
  const relevance = [1, 2, 1.5, 2.5, 2, 1, 5, 6, 4, 7]
  const age = [60, 62, 64, 66, 68, 70, 61, 63, 69, 71]
  const volume = relevance.map((value, n) => 5000 - 300 * value - 10 * age[n]!)
  const subjects = relevance.map((value, n): StudySubject => {
    return { participant: `p${n}`, group: n < 6 ? 'CN' : 'AD', regions: [region(volume[n]!, value)] }
  })
  const options = {
    measure: 'positive',
    control: 'CN',
    groups: ['CN', 'AD'],
    covariates: covariatesOf({ age }),
  } as const
  const found = studyRelevance(subjects, 1, {
    ...options,
    columns: covariatesOf({ mmse: relevance.map((v) => 30 - v) }),
  })
  const of = (adjustment: string, group?: string, against: unknown = 'volume') =>
    found.correlations.find((row) => {
      const name = row.against === 'volume' ? 'volume' : row.against.column
      return row.adjustment === adjustment && row.group === group && name === against
    })!.found
  assert.is(found.correlations.length, 12)
  near(of('partial').pearson.r, -1, 1e-9)
  near(of('raw').pearson.r, correlate(volume, relevance).pearson.r!)
  near(of('raw', 'AD').pearson.r, correlate(volume.slice(6), relevance.slice(6)).pearson.r!)
  assert.is(of('raw', 'AD').n, 4)
  near(of('raw', undefined, 'mmse').pearson.r, -1)
  const residuals = normativeResiduals(volume, covariatesOf({ age }), [0, 1, 2, 3, 4, 5]).values
  near(of('residualised').pearson.r, correlate(residuals, relevance).pearson.r!)
  // All patients have more relevance than all controls.
  const score = found.scores.find((row) => row.score === 'relevance')!
  assert.is(score.auc.auc, 1)
  assert.equal(
    found.scores.map((row) => row.score),
    ['relevance', 'volume', 'volume, residualised'],
  )
  assert.equal(
    found.notes.filter((note) => /people/.test(note)),
    [],
  )

  // Too few controls: said, and left out. Two scans of a person: said.
  const few = studyRelevance(
    subjects.map((one, n) => ({ ...one, participant: 'same', group: n < 2 ? 'CN' : 'AD' })),
    1,
    { ...options, columns: NONE },
  )
  assert.is(few.residuals, undefined)
  assert.ok(
    few.notes.some((note) => /not residualised: 2 training controls are too few/.test(note)),
    few.notes.join(),
  )
  assert.ok(few.notes.some((note) => /10 scans are of 1 people/.test(note)))
  // Everybody's relevance is 0.
  const flat = studyRelevance(
    subjects.map((one) => ({ ...one, regions: [region(one.regions[0]!.volume, 0)] })),
    1,
    { ...options, columns: NONE },
  )
  assert.ok(flat.correlations.every((row) => row.found.pearson.r === undefined))
  assert.is(flat.scores[0]!.auc.auc, 0.5)
})

test('beside random weights: mean, spread, and who is as far from 0', () => {
  const row = (r: number | undefined, more: Partial<CorrelationRow> = {}): CorrelationRow => {
    const one = { r, interval: undefined, p: undefined }
    const found = { n: 9, pearson: one, spearman: one }
    return { region: 0, against: 'volume', adjustment: 'raw', group: undefined, found, ...more }
  }
  const others = [0.1, -0.5, undefined, 0.7].map((r) => [row(0.9, { group: 'AD' }), row(r)])
  const [only, ...rest] = besideRandom([row(-0.5), row(0.3, { against: { column: 'age' } })], others)
  assert.is(rest.length, 0)
  assert.equal(only!.others, [0.1, -0.5, undefined, 0.7])
  near(only!.mean, 0.1)
  // Deviations 0, -0.6, 0.6: squares 0.72 over two degrees of freedom.
  near(only!.sd, 0.6)
  assert.is(only!.asFar, 2)
  assert.is(besideRandom([row(undefined)], others)[0]!.asFar, undefined)
  assert.is(besideRandom([row(0.2)], [])[0]!.mean, undefined)
})

test('maps compared by hand', () => {
  const [a, b, c] = [
    [5, 4, 3, 2, 1, 0, 0, 0],
    [4, 5, 0, 2, 3, 1, 0, 0],
    [-5, -4, -3, -2, -1, 0, 0, 0],
  ].map((list) => Float32Array.from(list)) as [Float32Array, Float32Array, Float32Array]
  const affine = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]
  const data = Float32Array.of(1, 1, 1, 2, 2, 2, 0, 0)
  const atlas = makeAtlas({ shape: [8, 1, 1], affine, data }, [
    { value: 1, name: 'one' },
    { value: 2, name: 'two' },
  ])
  const { pairs, voxels, counts } = compareMaps([a, b, c], [0.34, 0.5, 1], atlas)
  assert.is(voxels, 6)
  assert.equal(counts, [2, 3, 6])
  assert.equal(
    pairs.map(({ first, second }) => [first, second]),
    [
      [0, 1],
      [0, 2],
      [1, 2],
    ],
  )
  const [ab, ac] = pairs as [(typeof pairs)[0], (typeof pairs)[0]]
  // Over six voxels both have the mean 2.5 and squares 17.5; products 20 + 20 + 0 + 4 + 3 + 0 - 6 * 6.25 = 9.5.
  near(ab.pearson, 9.5 / 17.5)
  // The ranks are the values plus 1.
  near(ab.spearman, 9.5 / 17.5)
  near(ab.cosine, 47 / 55)
  // Strongest two: {0, 1} of both; strongest three {0, 1, 2} and {0, 1, 4}; all positive {0..4} and {0, 1, 3, 4, 5}.
  near(ab.dice[0], 1)
  near(ab.dice[1], 4 / 6)
  near(ab.dice[2], 8 / 10)
  // Region means (4, 1) and (3, 2).
  near(ab.roi, 14 / Math.sqrt(17 * 13))
  near(ac.pearson, -1)
  assert.equal(ac.dice, [undefined, undefined, undefined])
  near(ac.roi, -1)
  assert.throws(() => compareMaps([a], [0.1]), /two or more/)
  assert.throws(() => compareMaps([a, b], [0]), /share 0/)
  assert.throws(() => compareMaps([new Float32Array(4), new Float32Array(4)], [0.1]), /0 everywhere/)
})

test.run()
