/** What is made of maps of reset networks: each number by hand, and that the check tells methods apart which must differ. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { MeasureName } from '../src/explain/judge/measures.ts'
import {
  depthsFor,
  histogramEntropy,
  keptAboveChance,
  type Likeness,
  likenessTo,
  randomisationMeasures,
  randomisationValues,
} from '../src/explain/judge/randomisation.ts'
import { values } from './support/evaluate.ts'

const test = suite('randomised weights')
const close = (a: number | null | undefined, b: number, what: string) =>
  assert.ok(typeof a === 'number' && Math.abs(a - b) < 1e-6, `${what}: ${a} where ${b} is right`)
const places = (count: number) => Uint32Array.from({ length: count }, (_, i) => i)

test('maps that are multiplied by the scan are alike in size only, maps up to a factor in sign as well', () => {
  const count = 4000
  const scan = values(count, 1).map((v) => Math.abs(v) ** 3)
  const [one, other] = [values(count, 2), values(count, 3)]
  const product = (map: Float32Array) => map.map((v, i) => v * scan[i]!)
  const likeness = likenessTo(product(one), places(count))(product(other))
  assert.ok(likeness.absolute! > 0.5, `${likeness.absolute}`)
  assert.ok(likeness.signed! < 0.1, `${likeness.signed}`)
  const scaled = likenessTo(one, places(count))(one.map((v) => -3 * v))
  close(scaled.absolute, 1, 'absolute')
  close(scaled.signed, 1, 'signed')
  close(scaled.rise, 0, 'entropy of the same histogram, mirrored')
  const flat = likenessTo(new Float32Array(count), places(count))(one)
  assert.equal(flat, { absolute: null, signed: null, rise: null })
})

test('only some voxels are compared', () => {
  const among = Uint32Array.of(1, 3, 5)
  const { signed } = likenessTo(Float32Array.of(9, 1, 0, 2, 0, 3), among)(Float32Array.of(0, 1, 7, 3, 8, 2))
  close(signed, 0.5, 'ranks 1 2 3 and 1 3 2')
})

test('entropy of 100 bins', () => {
  const even = Float32Array.from({ length: 1000 }, (_, i) => Math.floor(i / 10))
  close(histogramEntropy(even, places(1000)), Math.log(100), 'all bins alike')
  close(histogramEntropy(Float32Array.of(0, 0, 0, 5), places(4)), Math.log(4) - 0.75 * Math.log(3), 'two bins')
  assert.is(histogramEntropy(new Float32Array(4), places(4)), 0)
})

test('what is kept above chance', () => {
  close(keptAboveChance(0.6, 0.2), 0.5, 'half of what is above chance')
  close(keptAboveChance(0.2, 0.2), 0, 'nothing')
  assert.is(keptAboveChance(1, 1), 1)
})

test('measures of a cascade: means over draws, then over layers; first and last are compared', () => {
  const draw = (absolute: number | null, signed: number | null, rise: number): Likeness => ({ absolute, signed, rise })
  const found = new Map([
    [1, [draw(0.9, 0.8, 0), draw(0.7, 0.6, 0)]],
    [2, [draw(0.5, 0.4, 0.1), draw(null, null, 0.2)]],
    [3, [draw(0.3, 0.2, 0.3), draw(0.1, 0.2, 0.5)]],
  ])
  const { values: measured, curves } = randomisationValues(found, new Set<MeasureName>(randomisationMeasures))
  close(measured.randomisation, (0.8 + 0.5 + 0.2) / 3, 'absolute')
  close(measured.signedRandomisation, (0.7 + 0.4 + 0.2) / 3, 'signed')
  close(measured.outputReset, (0.7 - 0.2) / 0.8, 'kept')
  close(measured.complexityRise, 0.4, 'rise')
  assert.is(curves.randomisation!.length, 3)
  close(curves.signedRandomisation![0], 0.7, 'curve')
  const none = randomisationValues(
    new Map([[1, [{ absolute: null, signed: null, rise: null }]]]),
    new Set(['outputReset']),
  )
  assert.equal(none, { values: { outputReset: undefined }, curves: {} })
})

test('no more networks than are needed are made', () => {
  const depths = (...names: MeasureName[]) => depthsFor(new Set(names), 4)
  assert.equal(depths('deletion'), [])
  assert.equal(depths('complexityRise'), [4])
  assert.equal(depths('outputReset', 'complexityRise'), [1, 4])
  assert.equal(depths('randomisation'), [1, 2, 3, 4])
  assert.equal(depthsFor(new Set<MeasureName>(['outputReset']), 1), [1])
})

test.run()
