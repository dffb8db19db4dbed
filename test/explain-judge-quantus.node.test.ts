/** Measures against Quantus, where it is deterministic (test/reference/quantus_measures.py). */
import { readFile } from 'node:fs/promises'
import { suite } from 'uvu'
import { type Candidate, openJudge } from '../src/explain/judge/judge.ts'
import { type Network, validateDescription, validateNetwork } from '../src/model/description.ts'
import { assertClose, closeTestGpu, testGpu } from './support/evaluate.ts'

const test = suite('judge and Quantus')
test.after(closeTestGpu)

interface Fixture {
  side: number
  weights: number[][]
  x: number[][]
  a: number[][]
  y: number[]
  inside: number[][]
  pixelFlipping: number[][]
  regionPerturbation: number[][]
  sparseness: number[]
  massAccuracy: number[]
  rankAccuracy: number[]
  auc: number[]
  pointing: number[]
}

function networkOf({ side, weights }: Fixture): Network {
  const layers = [
    { name: 'flat', type: 'flatten' },
    { name: 'hidden', type: 'dense', units: 6 },
    { name: 'relu', type: 'relu' },
    { name: 'out', type: 'dense', units: 2 },
  ]
  const input = [1, 1, side, side]
  const json = { format: 'voxplain-network', version: 1, name: 'small', input, layers, output: 'logits' }
  const names = ['hidden.weight', 'hidden.bias', 'out.weight', 'out.bias']
  const shapes = [[6, side * side], [6], [2, 6], [2]]
  const named = names.map((name, k) => [name, { shape: shapes[k]!, data: Float32Array.from(weights[k]!) }] as const)
  return validateNetwork(validateDescription(json), new Map(named))
}

test('pixel flipping, region perturbation, sparseness, and everything about the truth', async () => {
  const text = await readFile(new URL('./fixtures/explain/quantus.json', import.meta.url), 'utf8')
  const fixture = JSON.parse(text) as Fixture
  const maps = fixture.a.map((values) => Float32Array.from(values))
  const candidate: Candidate = {
    name: 'given',
    make: async () => ({
      memory: undefined as never,
      batch: 1,
      explain: async (inputs) =>
        inputs.map(({ target }, n) => {
          return { relevance: maps[n]!, target: target!, logits: [], probabilities: [], facts: {} }
        }),
      destroy() {},
    }),
  }
  const options = { steps: 8, patch: 2, regions: 10 }
  const scans = fixture.x.map((values, n) => ({
    tensor: Float32Array.from(values),
    target: fixture.y[n]!,
    truth: Float32Array.from(fixture.inside[n]!),
  }))
  const flipping = await openJudge(await testGpu(), networkOf(fixture), options)
  const others = ['deletion', 'sparseness', 'massAccuracy', 'rankAccuracy', 'truthAuc', 'pointing'] as const
  const found = await flipping.judge(candidate, scans, { wanted: others })
  flipping.destroy()
  const cubes = await openJudge(await testGpu(), networkOf(fixture), { ...options, steps: 10 })
  const regions = await cubes.judge(candidate, scans, { wanted: ['regionPerturbation'] })
  cubes.destroy()
  found.forEach(({ values, curves }, n) => {
    // Quantus begins after the first step.
    assertClose(curves.deletion!.slice(1), fixture.pixelFlipping[n]!, 'pixel flipping')
    const logits = regions[n]!.curves.regionPerturbation!
    const drops = logits.slice(1).map((value) => logits[0]! - value)
    assertClose(drops, fixture.regionPerturbation[n]!, 'region perturbation', { absolute: 1e-5 })
    for (const [own, theirs] of [
      ['sparseness', 'sparseness'],
      ['massAccuracy', 'massAccuracy'],
      ['rankAccuracy', 'rankAccuracy'],
      ['truthAuc', 'auc'],
      ['pointing', 'pointing'],
    ] as const) {
      assertClose([values[own]!], [fixture[theirs][n]!], `${own} of map ${n}`)
    }
  })
})

test.run()
