/** Statistics against scikit-learn, SciPy, and formulas written out there (test/reference/statistics.py). */
import { readFileSync } from 'node:fs'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { binaryMetrics, countBinary } from '../src/model/evaluation/binary-metrics.ts'
import { calibration, wilsonInterval } from '../src/model/evaluation/calibration.ts'
import { normalCdf, normalQuantile, studentCdf, studentQuantile } from '../src/model/evaluation/distributions.ts'
import { linearFit } from '../src/model/evaluation/regression.ts'
import { compareAucs, delongAuc, rocCurve } from '../src/model/evaluation/roc.ts'

interface Case {
  labels: number[]
  first: number[]
  second: number[]
  subjects: number[]
  auc: number
  variance: number
  clustered: number
  z: number
  p: number
  fpr: number[]
  tpr: number[]
  metrics: Record<string, number>
  brier: number
}

interface Regression {
  x: number[]
  y: number[]
  slope: number
  intercept: number
  r: number
  p: number
  interval: [number, number]
  at: number
  mean: [number, number, number]
}

const fixture = JSON.parse(readFileSync(new URL('fixtures/model/statistics.json', import.meta.url), 'utf8')) as {
  cases: Case[]
  regressions: Regression[]
  normalCdf: [number, number][]
  normalQuantile: [number, number][]
  studentCdf: [number, number, number][]
  studentQuantile: [number, number, number][]
  wilson: [number, number, number, number][]
}

const test = suite('statistics against SciPy and scikit-learn')

function close(found: number | undefined, expected: number, what: string, tolerance = 1e-10): void {
  const error = Math.abs(found! - expected)
  assert.ok(error <= tolerance * Math.max(Math.abs(expected), 1e-300), `${what}: ${found}, expected ${expected}`)
}

test('normal and t distribution, far into the tails', () => {
  for (const [z, p] of fixture.normalCdf) close(normalCdf(z), p, `normal cdf of ${z}`, 1e-11)
  for (const [p, z] of fixture.normalQuantile) close(normalQuantile(p), z, `normal quantile of ${p}`, 1e-9)
  for (const [t, f, p] of fixture.studentCdf) close(studentCdf(t, f), p, `t cdf of ${t}, ${f}`, 1e-9)
  for (const [p, f, t] of fixture.studentQuantile) close(studentQuantile(p, f), t, `t quantile of ${p}, ${f}`, 1e-8)
})

test('areas, DeLong and Obuchowski variances, test of two areas', () => {
  for (const { labels, first, second, subjects, ...expected } of fixture.cases) {
    const positive = labels.map((label) => label === 1)
    const found = delongAuc(positive, first)!
    close(found.auc, expected.auc, 'area')
    close(found.variance, expected.variance, "DeLong's variance")
    close(delongAuc(positive, first, { subjects })!.variance, expected.clustered, "Obuchowski's variance")
    const compared = compareAucs(positive, first, second)!
    close(compared.z, expected.z, 'z')
    close(compared.p, expected.p, 'p', 1e-9)
    const points = rocCurve(positive, first)!
    assert.is(points.length, expected.fpr.length)
    points.forEach(({ fpr, tpr }, k) => {
      assert.ok(Math.abs(fpr - expected.fpr[k]!) < 1e-12 && Math.abs(tpr - expected.tpr[k]!) < 1e-12, `corner ${k}`)
    })
  }
})

test('binary metrics and Brier score', () => {
  for (const { labels, first, metrics, brier } of fixture.cases) {
    const positive = labels.map((label) => label === 1)
    const called = first.map((score) => score > 0.5)
    const found = binaryMetrics(countBinary(positive, called))
    assert.equal(Object.keys(found).sort(), Object.keys(metrics).sort())
    for (const [name, expected] of Object.entries(metrics)) close(found[name as keyof typeof found], expected, name)
    close(calibration(positive, first).brier, brier, 'Brier score')
  }
})

test('regression, correlation and shares', () => {
  for (const { x, y, at, mean, ...expected } of fixture.regressions) {
    const fit = linearFit(x, y)!
    for (const name of ['slope', 'intercept', 'r', 'p'] as const) close(fit[name], expected[name], name, 1e-8)
    for (const [k, end] of fit.interval!.entries()) close(end, expected.interval[k]!, 'interval of r', 1e-9)
    const here = fit.at(at)
    for (const [k, value] of [here.y, ...here.interval!].entries()) close(value, mean[k]!, 'line', 1e-9)
  }
  for (const [part, whole, low, high] of fixture.wilson) {
    const [a, b] = wilsonInterval(part, whole)!
    assert.ok(Math.abs(a - low) < 1e-12 && Math.abs(b - high) < 1e-12, `${part} of ${whole}`)
  }
})

test.run()
