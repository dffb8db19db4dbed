/** Occlusion and atlas occlusion against Captum's Occlusion and FeatureAblation (test/reference/captum_occlusion.py). */
import { readFile } from 'node:fs/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { settingsOf } from '../src/explain/method.ts'
import { atlasOcclusion } from '../src/explain/perturb/atlas-occlusion.ts'
import { occlusion } from '../src/explain/perturb/occlusion.ts'
import type { Triple } from '../src/explain/perturb/windows.ts'
import { initialise } from '../src/model/architectures.ts'
import { validateDescription } from '../src/model/description.ts'
import { closeTestGpu, testGpu } from './support/evaluate.ts'

const test = suite('occlusion as Captum has it')
test.after(closeTestGpu)

interface Case {
  readonly value: number
  readonly target: number
  readonly relevance: number[]
}

const expected: {
  input: number[]
  logits: number[]
  occlusion: (Case & { edge: Triple; stride: Triple })[]
  ablation: Case & { labels: number[] }
} = JSON.parse(await readFile(new URL('fixtures/explain/occlusion.json', import.meta.url), 'utf8'))

const size = expected.input.reduce((a, b) => a * b, 1)
/** The script's formula: (i step mod 1009) / 1009 - 1/2. */
const wave = (count: number, step: number) =>
  Float64Array.from({ length: count }, (_, i) => ((i * step) % 1009) / 1009 - 0.5)
const tensor = Float32Array.from(Float32Array.from(wave(size, 331)), (v) => v + 0.5)

const description = validateDescription({
  format: 'voxplain-network',
  version: 1,
  name: 'captum',
  input: expected.input,
  output: 'logits',
  layers: [
    { name: 'c1', type: 'conv3d', channels: 4, kernel: 3, padding: 1 },
    { name: 'a1', type: 'leakyRelu', slope: 0.1 },
    { name: 'p1', type: 'maxPool3d', kernel: 2, stride: 2 },
    { name: 'c2', type: 'conv3d', channels: 6, kernel: 3, padding: 1 },
    { name: 'a2', type: 'relu' },
    { name: 'flat', type: 'flatten' },
    { name: 'out', type: 'dense', units: 3 },
  ],
})
const untrained = initialise(description, 0)
const names = ['c1.weight', 'c1.bias', 'c2.weight', 'c2.bias', 'out.weight', 'out.bias']
const weights = new Map(
  names.map((name, k) => {
    const { shape, data } = untrained.weights.get(name)!
    return [name, { shape, data: Float32Array.from(wave(data.length, 7919 + 2 * k)) }] as const
  }),
)
const network = { description, weights }

function relativeError(found: Float32Array, wanted: readonly number[]): number {
  const square = (values: Iterable<number>) => Array.from(values).reduce((sum, v) => sum + v * v, 0)
  return Math.sqrt(square(wanted.map((v, i) => found[i]! - v)) / square(wanted))
}

for (const { edge, stride, value, target, relevance } of expected.occlusion) {
  test(`boxes of ${edge.join(' x ')}, stride ${stride.join(' x ')}, replaced by ${value}`, async () => {
    const settings = settingsOf(occlusion, { edge, stride, unit: 'voxel', value, score: 'logit' })
    const explainer = await occlusion.make(await testGpu(), network, settings, { batch: 5 })
    const [found] = await explainer.explain([{ tensor, target }])
    explainer.destroy()
    const error = relativeError(found!.relevance.subarray(0, size / 2), relevance)
    assert.ok(error < 1e-5, `relative L2 error ${error}`)
    // Channels are changed together, and share the fall.
    assert.equal(found!.relevance.slice(0, size / 2), found!.relevance.slice(size / 2))
    assert.ok(relativeError(Float32Array.from(found!.logits), expected.logits) < 1e-5)
  })
}

test('regions of an atlas', async () => {
  const { labels, value, target, relevance } = expected.ablation
  const settings = settingsOf(atlasOcclusion, { value, score: 'logit' })
  const explainer = await atlasOcclusion.make(await testGpu(), network, settings, { batch: 3 })
  // Captum takes label 0 for a feature like any other, and for us it is no region.
  const [found] = await explainer.explain([{ tensor, target, regions: Uint16Array.from(labels, (l) => l + 1) }])
  const error = relativeError(found!.relevance.subarray(0, size / 2), relevance)
  assert.ok(error < 1e-5, `relative L2 error ${error}`)
  const [without] = await explainer.explain([{ tensor, target, regions: Uint16Array.from(labels) }])
  explainer.destroy()
  labels.forEach((label, v) => {
    assert.is(without!.relevance[v], label === 0 ? 0 : found!.relevance[v])
  })
})

test.run()
