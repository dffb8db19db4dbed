/** LRP's closed forms: what relevance adds up to, gradient times input, conservation; settings and refusals. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { inputXGradient } from '../src/explain/gradient/saliency.ts'
import { conservationTable } from '../src/explain/lrp/conservation.ts'
import { lrp } from '../src/explain/lrp/lrp.ts'
import { composites, readComposite } from '../src/explain/lrp/rule-spec.ts'
import { type MethodInput, settingsOf } from '../src/explain/method.ts'
import type { Network } from '../src/model/description.ts'
import { assertClose, closeTestGpu, testGpu } from './support/evaluate.ts'
import { lrpInput, lrpNetwork } from './support/lrp.ts'

const forms = suite('LRP in closed form')
forms.after(closeTestGpu)

const SHAPE = [1, 6, 5, 4]
const CONV = { name: 'conv', type: 'conv3d', channels: 3, kernel: 3, padding: 1 }
const RELU = { name: 'relu', type: 'relu' }
const POOL = { name: 'pool', type: 'maxPool3d', kernel: 2, stride: 2 }
const FLATTEN = { name: 'flatten', type: 'flatten' }
const OUTPUT = { name: 'output', type: 'dense', units: 2 }
const bare = (layer: object) => ({ ...layer, bias: false })
const total = (values: ArrayLike<number>): number => Array.from(values).reduce((a, b) => a + b, 0)

async function explain(network: Network, settings: object, inputs: MethodInput[] = [{ tensor: lrpInput(SHAPE, 5) }]) {
  const explainer = await lrp.make(await testGpu(), network, settingsOf(lrp, settings), { batch: inputs.length })
  const found = await explainer.explain(inputs)
  explainer.destroy()
  return found
}

forms('Epsilon on one layer adds up to R (z - b) / s(z)', async () => {
  const epsilon = 0.03
  const network = lrpNetwork(SHAPE, [FLATTEN, OUTPUT], 3)
  for (const target of [0, 1]) {
    const [found] = await explain(network, { composite: 'epsilon', epsilon, start: 'one' }, [
      { tensor: lrpInput(SHAPE, 5), target },
    ])
    const z = found!.logits[target]!
    const b = network.weights.get('output.bias')!.data[target]!
    assertClose([total(found!.relevance)], [(z - b) / (z + epsilon * Math.sign(z))], 'sum')
  }
})

forms(
  'AlphaBeta on one layer adds up to alpha P / s(P + b+) - beta N / s(N + b-), for inputs of both signs',
  async () => {
    const tensor = lrpInput(SHAPE, 5)
    const network = lrpNetwork(SHAPE, [FLATTEN, OUTPUT], 3)
    const { data } = network.weights.get('output.weight')!
    const rule = { rules: [{ type: 'linear', rule: 'alphaBeta', alpha: 2, beta: 1 }] }
    const [found] = await explain(network, { composite: readComposite(rule), start: 'one' }, [{ tensor, target: 1 }])
    const products = Array.from(tensor, (v, k) => v * data[tensor.length + k]!)
    const p = total(products.filter((v) => v > 0))
    const n = total(products.filter((v) => v < 0))
    const b = network.weights.get('output.bias')!.data[1]!
    const expected = (2 * p) / (p + Math.max(b, 0) + 1e-6) - n / (n + Math.min(b, 0) - 1e-6)
    assertClose([total(found!.relevance)], [expected], 'sum')
  },
)

forms('without biases, LRP-0 on ReLUs and max-pools is input x gradient', async () => {
  const network = lrpNetwork(SHAPE, [bare(CONV), RELU, POOL, FLATTEN, bare(OUTPUT)], 8)
  const inputs = [{ tensor: lrpInput(SHAPE, 5) }, { tensor: lrpInput(SHAPE, 6), target: 0 }]
  const found = await explain(network, { composite: 'epsilon', epsilon: 0, start: 'logit' }, inputs)
  const gradient = await inputXGradient.make(await testGpu(), network, {}, { batch: 2 })
  const expected = await gradient.explain(inputs)
  gradient.destroy()
  found.forEach(({ relevance }, k) => {
    assertClose(relevance, expected[k]!.relevance, `input ${k}`)
  })
})

forms(
  'without biases the relevance of every layer adds up to the logit, under a batch norm that only scales, too',
  async () => {
    const layers = [
      bare(CONV),
      RELU,
      POOL,
      { name: 'norm', type: 'batchNorm' },
      bare({ ...CONV, name: 'conv2' }),
      { ...RELU, name: 'relu2' },
      FLATTEN,
      bare(OUTPUT),
    ]
    const network = lrpNetwork(SHAPE, layers, 9)
    for (const name of ['norm.bias', 'norm.running_mean']) network.weights.get(name)!.data.fill(0)
    for (const composite of ['epsilonPlus', 'epsilonAlpha2Beta1', 'epsilonPlusFlat'] as const) {
      const [found] = await explain(network, { composite, conservation: true })
      const rows = conservationTable(network.description.layers, found!)
      assert.is(rows.length, 9)
      for (const { layer, share } of rows) assert.ok(Math.abs(share - 1) < 1e-3, `${composite}, ${layer}: ${share}`)
    }
  },
)

forms('a composite of JSON: layers by name, type, first and last', async () => {
  const network = lrpNetwork(
    SHAPE,
    [CONV, RELU, { ...CONV, name: 'conv2' }, { ...RELU, name: 'relu2' }, FLATTEN, OUTPUT],
    4,
  )
  const same = {
    rules: [
      { type: 'conv', first: true, rule: 'flat' },
      { layer: 'conv2', rule: 'zPlus' },
      { last: true, rule: 'epsilon' },
    ],
  }
  const [a] = await explain(network, { composite: readComposite(JSON.stringify(same)) })
  const [b] = await explain(network, { composite: composites.epsilonPlusFlat })
  assert.equal(a!.relevance, b!.relevance)
})

forms('what cannot be is refused, by name', async () => {
  const network = lrpNetwork(SHAPE, [CONV, RELU, FLATTEN, OUTPUT], 4)
  const refused = async (settings: object, pattern: RegExp, of = network) => {
    const failed = await explain(of, settings).then(
      () => 'nothing was refused',
      (error: Error) => error.message,
    )
    assert.match(failed, pattern)
  }
  const rules = (...list: object[]) => ({ composite: { ...composites.epsilonPlus, rules: list } })
  await refused(rules({ layer: 'nobody', rule: 'flat' }), /"nobody", which the network does not have/)
  await refused(rules({ layer: 'relu', rule: 'flat' }), /"relu".*it is a relu/)
  await refused(rules({ type: 'conv', rule: 'flat' }), /no rule for layer "output" \(dense\)/)
  await refused(rules({ type: 'linear', rule: 'pass' }), /layer "conv".*changes the shape/)
  await refused({ low: 2, high: 1 }, /low 2 is larger than high 1/)
  const gate = [
    CONV,
    { name: 'gate', type: 'sigmoid' },
    { name: 'product', type: 'multiply', inputs: ['conv', 'gate'] },
  ]
  await refused({}, /layer "product" \(multiply\) has no rule in LRP/, lrpNetwork(SHAPE, [...gate, FLATTEN, OUTPUT], 4))
  assert.throws(() => readComposite('epsilonMinus'), /epsilonMinus.*known: epsilonPlus/)
  assert.throws(
    () => readComposite({ rules: [{ rule: 'alphaBeta', alpha: 2, beta: 2 }] }),
    /alpha - beta must be 1, got 2 - 2/,
  )
  assert.throws(
    () => readComposite({ rules: [{ rule: 'gamma', alpha: 2 }] }),
    /rules\[0\] \(gamma\) has no setting "alpha"/,
  )
  assert.throws(() => readComposite('{"rules": ['), /not JSON/)
})

forms.run()
