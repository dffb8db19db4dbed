/** Evaluation by hand-computed numbers, by properties, and by simulation; predictions as tables. */
import * as fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { InputError } from '../src/io/errors.ts'
import { binaryMetrics } from '../src/model/evaluation/binary-metrics.ts'
import { bootstrapIntervals, quantile } from '../src/model/evaluation/bootstrap.ts'
import { calibration } from '../src/model/evaluation/calibration.ts'
import { contrastSamples, defaultContrasts, parseContrast } from '../src/model/evaluation/contrast.ts'
import { evaluatePredictions } from '../src/model/evaluation/evaluation.ts'
import { evaluationRows, formatEstimate } from '../src/model/evaluation/evaluation-table.ts'
import { areaUnderRoc, midranks } from '../src/model/evaluation/metrics.ts'
import {
  classesDescribed,
  describePredictions,
  formatPredictions,
  type Predictions,
  parsePredictions,
  predictionRow,
} from '../src/model/evaluation/predictions.ts'
import { linearFit } from '../src/model/evaluation/regression.ts'
import { compareAucs, delongAuc, rocCurve } from '../src/model/evaluation/roc.ts'
import { uniformStream } from '../src/model/random.ts'

const test = suite('evaluation')
const near = (a: number | undefined, b: number, tolerance = 1e-12) =>
  assert.ok(Math.abs(a! - b) <= tolerance, `${a} should be ${b}`)

/** Standard normal numbers (Box and Muller). */
function normals(seed: number, name: string): () => number {
  const next = uniformStream(seed, name)
  return () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next())
}

const samples = fc
  .array(fc.tuple(fc.boolean(), fc.integer({ min: 0, max: 12 })), { minLength: 4, maxLength: 40 })
  .filter((rows) => rows.filter(([kind]) => kind).length >= 2 && rows.filter(([kind]) => !kind).length >= 2)
  .map((rows) => ({ positive: rows.map(([kind]) => kind), scores: rows.map(([, score]) => score / 12) }))

test('ranks share ties, infinities included', () => {
  const top = Number.POSITIVE_INFINITY
  assert.equal(midranks([3, 1, 3, 2]), [3.5, 1, 3.5, 2])
  assert.equal(midranks([top, -top, top, 0]), [3.5, 1, 3.5, 2])
})

test('area: 1 - area for reversed scores, whatever the order of samples, only the order of scores counts', () => {
  fc.assert(
    fc.property(samples, fc.integer({ min: 0, max: 1000 }), ({ positive, scores }, seed) => {
      const { auc, variance, interval } = delongAuc(positive, scores)!
      const reversed = delongAuc(
        positive,
        scores.map((score) => 1 - score),
      )!
      near(reversed.auc, 1 - auc)
      near(reversed.variance, variance!)
      if (interval) {
        near(reversed.interval![0], 1 - interval[1], 1e-9)
        assert.ok(interval[0] >= 0 && interval[0] <= auc && auc <= interval[1] && interval[1] <= 1)
      }
      const next = uniformStream(seed, 'order')
      const order = [...positive.keys()].map((n) => ({ n, key: next() })).sort((a, b) => a.key - b.key)
      const mixed = delongAuc(
        order.map(({ n }) => positive[n]!),
        order.map(({ n }) => Math.exp(3 * scores[n]!)),
      )!
      near(mixed.auc, auc)
      near(mixed.variance, variance!)
      const curve = rocCurve(positive, scores)!
      const trapezoids = curve.slice(1).reduce((sum, { fpr, tpr }, k) => {
        return sum + ((fpr - curve[k]!.fpr) * (tpr + curve[k]!.tpr)) / 2
      }, 0)
      near(trapezoids, auc)
      assert.is(compareAucs(positive, scores, scores)!.p, undefined)
    }),
    { seed: 1, numRuns: 60 },
  )
})

test('a perfect order has an interval, too: the exact bound from pairs that share nobody', () => {
  const { auc, variance, interval } = delongAuc([false, false, false, true, true], [0, 1, 2, 3, 4])!
  assert.is(auc, 1)
  assert.is(variance, 0)
  near(interval![0], Math.sqrt(0.025))
  assert.is(interval![1], 1)
  assert.is(delongAuc([true, true], [0, 1]), undefined)
  assert.is(rocCurve([true], [0.5]), undefined)
  assert.is(delongAuc([true, false], [0.3, 0.3])!.interval, undefined)
  assert.throws(() => delongAuc([true, false], [Number.NaN, 1]), /NaN/)
})

test('sessions of one subject do not make an interval narrower', () => {
  const next = normals(4, 'sessions')
  const positive = Array.from({ length: 40 }, (_, n) => n % 2 === 0)
  const scores = positive.map((kind) => next() + (kind ? 1 : 0))
  const twice = <T>(values: readonly T[]) => [...values, ...values]
  const once = delongAuc(positive, scores)!
  const naive = delongAuc(twice(positive), twice(scores))!
  const clustered = delongAuc(twice(positive), twice(scores), { subjects: twice([...positive.keys()]) })!
  near(clustered.auc, once.auc)
  near(clustered.variance, once.variance!)
  assert.ok(naive.variance! < 0.6 * once.variance!)
})

test('the interval of the area covers the truth about as often as it says', () => {
  const truth = 0.8 // of normal scores that differ by 0.8416 sqrt 2
  const shift = 0.8416212335729143 * Math.SQRT2
  const next = normals(7, 'coverage')
  let covered = 0
  for (let run = 0; run < 400; run++) {
    const positive = Array.from({ length: 60 }, (_, n) => n % 3 === 0)
    const scores = positive.map((kind) => next() + (kind ? shift : 0))
    const [low, high] = delongAuc(positive, scores)!.interval!
    if (low <= truth && truth <= high) covered++
  }
  // Two standard errors of a share of 0.95 in 400 runs are 0.022.
  assert.ok(covered / 400 > 0.92 && covered / 400 < 0.985, `covered ${covered} of 400`)
})

test('bootstrap: coverage, determinism, strata keep their sizes, subjects stay whole', () => {
  const next = uniformStream(9, 'bootstrap coverage')
  const strata = Array.from({ length: 80 }, (_, n) => n % 2)
  let covered = 0
  for (let run = 0; run < 120; run++) {
    const right = strata.map(() => next() < 0.75)
    const share = (rows: readonly number[]) => ({ share: rows.filter((n) => right[n]).length / rows.length })
    const options = { replicates: 400, seed: run }
    const [low, high] = bootstrapIntervals(strata, [...strata.keys()], share, options).share!
    if (low <= 0.75 && 0.75 <= high) covered++
  }
  assert.ok(covered >= 106 && covered <= 119, `covered ${covered} of 120`)

  const subjects = strata.map((_, n) => `sub-${n >> 2}`)
  const kinds = strata.map((_, n) => (n >> 2) % 2)
  const seen: number[][] = []
  const look = (rows: readonly number[]) => {
    seen.push([...rows])
    return { mean: rows.reduce((a, b) => a + b, 0), never: undefined, always: 1 }
  }
  const first = bootstrapIntervals(kinds, subjects, look, { replicates: 50, seed: 3 })
  assert.equal(bootstrapIntervals(kinds, subjects, look, { replicates: 50, seed: 3 }), first)
  assert.not.equal(bootstrapIntervals(kinds, subjects, look, { replicates: 50, seed: 4 }).mean, first.mean)
  assert.is(first.never, undefined)
  assert.is(first.always, undefined)
  for (const rows of seen) {
    assert.is(rows.filter((n) => kinds[n] === 0).length, 40)
    const counts = strata.map((_, n) => rows.filter((row) => row === n).length)
    counts.forEach((count, n) => {
      assert.is(count, counts[n & ~3])
    })
  }
  near(quantile([1, 2, 4], 0.25), 1.5)
})

test('binary metrics by hand, and what a missing kind leaves undefined', () => {
  const found = binaryMetrics({ truePositives: 6, falseNegatives: 2, falsePositives: 3, trueNegatives: 9 })
  near(found.balancedAccuracy, (0.75 + 0.75) / 2)
  near(found.ppv, 6 / 9)
  near(found.f1, 12 / 17)
  near(found.mcc, (54 - 6) / Math.sqrt(9 * 8 * 12 * 11))
  const healthy = binaryMetrics({ truePositives: 0, falseNegatives: 0, falsePositives: 1, trueNegatives: 4 })
  assert.equal(
    Object.entries(healthy).flatMap(([name, value]) => (value === undefined ? [name] : [])),
    ['balancedAccuracy', 'sensitivity', 'f1', 'mcc'],
  )
  const blind = binaryMetrics({ truePositives: 0, falseNegatives: 3, falsePositives: 0, trueNegatives: 5 })
  assert.equal([blind.mcc, blind.ppv, blind.f1, blind.npv], [0, undefined, 0, 5 / 8])
})

test('calibration by hand', () => {
  const { brier, error, bins } = calibration([true, false, true, false], [1, 0.1, 0.55, 0.52], { bins: 2 })
  near(brier, (0.01 + 0.45 ** 2 + 0.52 ** 2) / 4)
  assert.equal(
    bins.map(({ count }) => count),
    [1, 3],
  )
  near(bins[1]!.predicted, 2.07 / 3)
  near(bins[1]!.observed, 2 / 3)
  near(error, (0.1 + 0.07) / 4)
  assert.throws(() => calibration([true], [1.2]), /probability 1.2/)
})

test('a line through points on a line; nothing where nothing can be said', () => {
  const fit = linearFit([0, 1, 2, 3], [1, 3, 5, 7])!
  assert.equal([fit.slope, fit.intercept, fit.r, fit.interval, fit.p], [2, 1, 1, undefined, 0])
  assert.is(linearFit([1, 1], [0, 1]), undefined)
  assert.is(linearFit([1, 2, 3], [5, 5, 5])!.r, undefined)
})

/** A network of CN and AD on CN, MCI, AD; the last of an unknown label. */
const TWO: Predictions = {
  classes: ['CN', 'AD'],
  rows: [
    { who: 'a', label: 'CN', p: 0.9 },
    { who: 'b', label: 'CN', p: 0.4 },
    { who: 'c', label: 'MCI', p: 0.7 },
    { who: 'd', label: 'AD', p: 0.2 },
    { who: 'e', label: 'AD', p: 0.45 },
    { who: 'f', label: undefined, p: 0.5 },
  ].map(({ who, label, p }) =>
    predictionRow(['CN', 'AD'], { participant: who, trueLabel: label, probabilities: [p, 1 - p] }),
  ),
}

test('contrasts: who takes part, and with what score', () => {
  const mci = contrastSamples(TWO, parseContrast('MCI:CN'))
  assert.equal(
    mci.rows.map(({ participant }) => participant),
    ['a', 'b', 'c'],
  )
  assert.equal(mci.positive, [false, false, true])
  near(mci.scores[2], 0.3)
  assert.equal(parseContrast('AD+MCI:CN'), { name: 'AD+MCI vs CN', positive: ['AD', 'MCI'], negative: ['CN'] })
  for (const text of ['AD', 'AD:', 'AD:CN:MCI', 'AD:CN+AD', '']) assert.throws(() => parseContrast(text), /contrast/)
  assert.throws(() => contrastSamples(TWO, parseContrast('patient:control')), /none of patient, control is a class/)
  const mapped = new Map([
    ['patient', 'AD'],
    ['control', 'CN'],
  ])
  assert.is(contrastSamples(TWO, parseContrast('patient:control'), mapped).rows.length, 0)
  assert.throws(() => contrastSamples(TWO, parseContrast('MCI:CN'), new Map([['MCI', 'CN']])), /both sides/)

  const classes = ['CN', 'MCI', 'AD']
  const three: Predictions = {
    classes,
    rows: [predictionRow(classes, { participant: 'a', trueLabel: 'MCI', probabilities: [0.1, 0.3, 0.6] })],
  }
  near(contrastSamples(three, parseContrast('MCI:CN')).scores[0], 0.75)
  near(contrastSamples(three, parseContrast('AD+MCI:CN')).scores[0], 0.9)
  assert.equal(
    defaultContrasts(classes).map(({ name }) => name),
    ['MCI vs CN', 'AD vs CN', 'CN vs rest', 'MCI vs rest', 'AD vs rest'],
  )
})

test('scores that round to 1 keep their order', () => {
  const rows = [1e-20, 1e-30].map((q, n) =>
    predictionRow(['CN', 'AD'], { participant: `${n}`, trueLabel: n === 0 ? 'CN' : 'AD', probabilities: [q, 1 - q] }),
  )
  const { positive, scores, logOdds } = contrastSamples({ classes: ['CN', 'AD'], rows }, parseContrast('AD:CN'))
  assert.is(areaUnderRoc(positive, scores), 0.5)
  assert.is(areaUnderRoc(positive, logOdds), 1)
})

test('sub-01 and 01 are one subject', () => {
  const rows = TWO.rows.flatMap((row) => [row, { ...row, participant: `sub-${row.participant}`, session: 'later' }])
  const [once, twice] = [TWO, { ...TWO, rows }].map((each) => evaluatePredictions(each, { replicates: 200 }))
  assert.equal([twice!.subjects, twice!.contrasts[0]!.positives.subjects], [6, once!.contrasts[0]!.positives.subjects])
  near(twice!.contrasts[0]!.auc.interval![0], once!.contrasts[0]!.auc.interval![0])
})

test('a cohort, with all numbers by hand', () => {
  const contrasts = [parseContrast('AD:CN'), parseContrast('MCI:CN'), parseContrast('AD:other')]
  const found = evaluatePredictions(TWO, { contrasts, replicates: 200 })
  assert.equal([found.scans, found.subjects, found.otherScans], [6, 6, 2])
  assert.equal(found.confusion, [
    [1, 1],
    [0, 2],
  ])
  near(found.balancedAccuracy.value, 0.75)
  const [ad, mci, other] = found.contrasts
  near(ad!.auc.value, 0.75)
  assert.equal([ad!.metrics.sensitivity.value, ad!.metrics.specificity.value], [1, 0.5])
  assert.is(ad!.metrics.sensitivity.interval, undefined)
  assert.ok(ad!.metrics.accuracy.interval![0] < 0.75)
  assert.equal(ad!.roc![0], { fpr: 0, tpr: 0 })
  near(ad!.roc![1]!.threshold, 0.8)
  near(mci!.auc.value, 0.5)
  assert.is(other!.auc.value, undefined)
  assert.is(other!.positives.scans, 2)
  const text = JSON.stringify(found)
  assert.not.match(text, /null|NaN/)
  const rows = evaluationRows('here', found)
  assert.is(rows.length, 30)
  assert.equal([rows[0]!.metric, rows[0]!.value, rows[20]!.value, rows[20]!.low], ['auc', 0.75, undefined, undefined])
  assert.is(formatEstimate({ value: 0.5, interval: [0.25, 0.75] }), '0.500 (0.250-0.750)')
  assert.is(formatEstimate({ value: undefined, interval: undefined }), '-')
  assert.is(formatEstimate({ value: -0.1, interval: [-0.2, 0] }, 1), '-0.1 (-0.2 to 0.0)')
})

test('predictions: written and read back', () => {
  const text = formatPredictions(TWO)
  assert.is(text.split('\n')[0], 'participant_id\tsession_id\ttrue_label\tpredicted_label\tproba0\tproba1')
  // As JSON, where what is undefined is left out.
  assert.is(JSON.stringify(parsePredictions(text)), JSON.stringify(TWO))
  assert.equal(classesDescribed(JSON.parse(JSON.stringify(describePredictions(TWO)))), ['CN', 'AD'])
  assert.is(classesDescribed(null), undefined)
})

test("predictions: ClinicaDL's numbers get names", () => {
  const text = 'participant_id\tsession_id\ttrue_label\tpredicted_label\tproba0\tproba1\nsub-1\tses-1\t1\t0\t0.8\t0.2\n'
  assert.equal(parsePredictions(text).classes, ['0', '1'])
  const [row] = parsePredictions(text, { classes: ['CN', 'AD'] }).rows
  assert.equal([row!.session, row!.trueLabel, row!.predictedLabel], ['ses-1', 'AD', 'CN'])
})

test('predictions that will not do are refused by line', () => {
  const head = 'participant_id\tpredicted_label\tproba0\tproba1\n'
  for (const [body, part] of [
    ['', 'no predictions'],
    ['a\tCN\t0.5\tn/a\n', 'line 2: proba1 is n/a'],
    ['a\tCN\t0.5\tNaN\n', 'line 2: proba1 is NaN'],
    ['a\tCN\t0.7\t0.7\n', 'add up to 1.4'],
    ['a\tCN\t0.7\t0.3\na\tAD\t0.2\t0.8\n', 'lines 2 and 3 are both of a'],
    ['n/a\tCN\t0.7\t0.3\nb\tAD\t0.2\t0.8\n', 'line 2: no participant_id'],
    ['a\tCN\t0.7\t0.3\n', 'which class proba1 is of'],
    ['a\tCN\t0.7\t0.3\nb\tAD\t0.7\t0.3\n', 'line 3: proba0 is the largest and AD predicted, but CN elsewhere'],
  ] as const) {
    assert.throws(
      () => parsePredictions(head + body, { name: 'p.tsv' }),
      (error: Error) => error instanceof InputError && error.message.includes(part),
      part,
    )
  }
  assert.throws(() => parsePredictions('participant_id\tproba0\nx\t1\n'), /no column "predicted_label"/)
  const two = `${head}a\tCN\t0.7\t0.3\n`
  assert.throws(() => parsePredictions(two, { classes: ['CN', 'MCI', 'AD'] }), /2 probabilities a line/)
  assert.throws(() => parsePredictions(two, { classes: ['A', 'B'] }), /"CN" is none of the classes A, B/)
})

test.run()
