/**
 * Relevance of small networks against zennit's, every rule and every composite, and against iNNvestigate's formulas. Made by
 * test/reference/zennit_lrp.py and innvestigate_lrp.py; LRP_FIXTURE names another file to compare with.
 */
import { readFileSync } from 'node:fs'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { backward } from '../src/engine/backward.ts'
import { compile } from '../src/engine/compile.ts'
import { multiply } from '../src/engine/ops/elementwise.ts'
import { chooseClass } from '../src/explain/graph-explainer.ts'
import { makeBook } from '../src/explain/lrp/book.ts'
import { readComposite } from '../src/explain/lrp/rule-spec.ts'
import { buildNetwork } from '../src/model/build.ts'
import { assertClose, closeTestGpu, testGpu } from './support/evaluate.ts'
import { lrpInput, lrpNetwork, relativeL2 } from './support/lrp.ts'

interface Fixture {
  readonly name: string
  readonly input: number[]
  readonly layers: unknown[]
  readonly seed: number
  readonly cases: { composite: unknown; logits: number[]; relevance: string }[]
}

const read = (file: string | URL): Fixture[] => JSON.parse(readFileSync(file, 'utf8'))
const own = (name: string) => new URL(`fixtures/explain/${name}.json`, import.meta.url)
const files = process.env.LRP_FIXTURE ? [process.env.LRP_FIXTURE] : ['lrp_zennit', 'lrp_innvestigate'].map(own)
const references = suite('LRP against references')
references.after(closeTestGpu)

/** Boxes of the fixtures' ZBox rules. */
function compositeOf(json: unknown) {
  const composite = readComposite(json)
  const rules = composite.rules.map((entry) => (entry.rule === 'zBox' ? { low: -1, high: 1, ...entry } : entry))
  return { ...composite, rules }
}

for (const { name, input, layers, seed, cases } of files.flatMap(read)) {
  references(name, async () => {
    const gpu = await testGpu()
    const network = lrpNetwork(input, layers, seed)
    const built = buildNetwork(network)
    const { logits } = built
    const choice = chooseClass(logits)
    const start = multiply(logits, choice.seed)
    // One program for all: the forward pass and many kernels are the same.
    const maps = cases.map(({ composite }) => {
      const options = { composite: compositeOf(composite), batchNorm: 'merge', software: gpu.software } as const
      const book = makeBook(built, network.description.layers, options)
      return backward(logits, [built.input], { rules: book, seed: start })[0]!
    })
    const outputs = Object.fromEntries(maps.map((map, k) => [String(k), map]))
    const program = await compile(gpu, { logits, ...outputs }, { frozen: true, runs: 1 })
    program.write(built.input, lrpInput(input, seed))
    for (const [tensor, values] of choice.write([undefined])) {
      if (program.inputs.includes(tensor)) program.write(tensor, values)
    }
    program.run()
    assertClose(await program.read(logits), cases[0]!.logits, name)
    const errors: [number, string][] = []
    for (const [k, { composite, relevance }] of cases.entries()) {
      const expected = new Float32Array(Uint8Array.from(Buffer.from(relevance, 'base64')).buffer)
      const label = `${name}: ${JSON.stringify(composite).replaceAll('"', '')}`
      errors.push([relativeL2(await program.read(maps[k]!), expected), label])
    }
    program.destroy()
    if (process.env.LRP_PRINT) for (const [error, label] of errors) console.log(error.toExponential(1), label)
    for (const [error, label] of errors) assert.ok(error < 1e-4, `${label}: relative L2 difference ${error}`)
  })
}

references.run()
