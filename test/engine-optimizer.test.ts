/** Optimizer steps against float64 over many runs, with gradients that depend on the parameters. */
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { compile } from '../src/engine/compile.ts'
import { ShapeError } from '../src/engine/errors.ts'
import { multiply, subtract } from '../src/engine/ops/elementwise.ts'
import {
  accumulate,
  adam,
  adamUniforms,
  type OptimizerStep,
  sgd,
  sgdUniforms,
  stepCounter,
  watch,
} from '../src/engine/ops/optimizer.ts'
import { constant, input, parameter, type Tensor } from '../src/engine/tensor.ts'
import { assertClose, closeTestGpu, testGpu, values } from './support/evaluate.ts'
import { adamReference, sgdReference } from './support/reference/optimizer.ts'

const test = suite('optimizer')
test.after(closeTestGpu)

const STEPS = 12

/** Minimises sum of a (p - b)^2 / 2, gradient a (p - b), on the GPU; `change` is called before each run. */
async function descend(
  count: number,
  make: (p: Tensor, g: Tensor) => OptimizerStep,
  change?: (t: number, set: (values: Record<string, number>) => void) => void,
): Promise<Float32Array[]> {
  const gpu = await testGpu()
  const p = parameter([count], values(count, 1))
  const g = multiply(constant([count], stiffness(count)), subtract(p, constant([count], values(count, 3))))
  const { node, state } = make(p, g)
  const program = await compile(gpu, {}, { effects: [node] })
  const set = (uniforms: Record<string, number>) => program.setUniforms(node, uniforms)
  const found: Float32Array[] = []
  for (let t = 1; t <= STEPS; t++) {
    change?.(t, set)
    program.run()
    found.push(await program.read(p))
  }
  if (state.length > 0) assert.is((await program.read(state.at(-1)!))[0], STEPS)
  program.destroy()
  return found
}

/** The same in float64. */
function reference(count: number, step: (p: Float64Array, g: Float64Array, t: number) => void): Float64Array[] {
  const p = Float64Array.from(values(count, 1))
  const a = stiffness(count)
  const b = values(count, 3)
  return Array.from({ length: STEPS }, (_, k) => {
    step(
      p,
      p.map((v, i) => a[i]! * (v - b[i]!)),
      k + 1,
    )
    return p.slice()
  })
}

/** Factors over six orders of magnitude, so that Adam's epsilon and its scaling show. */
function stiffness(count: number): Float32Array {
  return values(count, 2).map((v) => 10 ** (3 * v))
}

const rates = fc.constantFrom(0, 0.01, 0.1)

test('sgd: momentum, Nesterov, weight decay and dampening as in torch.optim.SGD', async () => {
  const options = fc
    .record({
      momentum: fc.constantFrom(0, 0.5, 0.9),
      nesterov: fc.boolean(),
      weightDecay: rates,
      dampening: fc.constantFrom(0, 0.3),
    })
    .filter((o) => !o.nesterov || (o.momentum > 0 && o.dampening === 0))
  await fc.assert(
    fc.asyncProperty(options, fc.integer({ min: 1, max: 200 }), async (o, count) => {
      const all = { ...o, learningRate: 1e-3 }
      const velocity = new Float64Array(count)
      const expected = reference(count, (p, g, t) => sgdReference(p, g, velocity, t, all))
      const found = await descend(count, (p, g) => sgd(p, g, all))
      found.forEach((p, k) => {
        assertClose(p, expected[k]!, `step ${k + 1}`, { relative: 2e-6, absolute: 1e-6 })
      })
    }),
    { seed: 8, numRuns: 15 },
  )
})

const adamOptions = fc.record({
  learningRate: fc.constantFrom(1e-3, 0.05),
  beta1: fc.constantFrom(0.9, 0.5, 0),
  beta2: fc.constantFrom(0.999, 0.9),
  epsilon: fc.constantFrom(1e-8, 1e-3),
  weightDecay: rates,
  decoupled: fc.boolean(),
  amsgrad: fc.boolean(),
})

test('adam: L2 and decoupled weight decay, AMSGrad, as in torch.optim.Adam and AdamW', async () => {
  await fc.assert(
    fc.asyncProperty(adamOptions, fc.integer({ min: 1, max: 200 }), async (o, count) => {
      const moments = [new Float64Array(count), new Float64Array(count), new Float64Array(count)] as const
      const expected = reference(count, (p, g, t) => adamReference(p, g, moments, t, o))
      const found = await descend(count, (p, g) => adam(p, g, o))
      found.forEach((p, k) => {
        assertClose(p, expected[k]!, `step ${k + 1}`, { relative: 1e-5, absolute: 1e-6 })
      })
    }),
    { seed: 9, numRuns: 15 },
  )
})

test('the first step of adam is learningRate times the sign of the gradient', async () => {
  const gpu = await testGpu()
  const p = parameter([3], Float32Array.of(0, 0, 0))
  const g = input([3])
  const { node } = adam(p, g, { learningRate: 0.5 })
  const program = await compile(gpu, {}, { effects: [node] })
  program.write(g, Float32Array.of(1e-3, -1e3, 0))
  program.run()
  assertClose(await program.read(p), [-0.5 * (1e-3 / (1e-3 + 1e-8)), 0.5, 0], 'first step', { relative: 1e-6 })
  program.destroy()
})

test('learning rates change between runs', async () => {
  const schedule = (t: number) => (t <= 4 ? 0.01 : 0.002)
  const velocity = new Float64Array(9)
  const o = { momentum: 0.9, nesterov: false, weightDecay: 0, dampening: 0 }
  const sgdExpected = reference(9, (p, g, t) =>
    sgdReference(p, g, velocity, t, { ...o, learningRate: schedule(t) / 10 }),
  )
  const sgdFound = await descend(
    9,
    (p, g) => sgd(p, g, { ...o, learningRate: 1 }),
    (t, set) => set(sgdUniforms({ learningRate: schedule(t) / 10 })),
  )
  assertClose(sgdFound.at(-1)!, sgdExpected.at(-1)!, 'sgd')

  const moments = [new Float64Array(9), new Float64Array(9), new Float64Array(9)] as const
  const rest = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0, decoupled: false, amsgrad: false }
  const expected = reference(9, (p, g, t) => adamReference(p, g, moments, t, { ...rest, learningRate: schedule(t) }))
  const found = await descend(
    9,
    (p, g) => adam(p, g, { ...rest, learningRate: 1 }),
    (t, set) => set(adamUniforms({ learningRate: schedule(t) })),
  )
  assertClose(found.at(-1)!, expected.at(-1)!, 'adam')
})

test('one counter serves many steps, counts once a run, and its powers stay exact for long', async () => {
  const gpu = await testGpu()
  const counter = stepCounter()
  const p = parameter([2])
  const q = parameter([5])
  const steps = [p, q].map((t) => adam(t, input(t.shape), { learningRate: 0, counter }))
  const program = await compile(gpu, { now: counter.value }, { effects: steps.map((s) => s.node) })
  assert.is(program.launches.length, 3)
  let t = 0
  for (const runs of [1, 1, 98, 400, 2500]) {
    program.run(runs)
    t += runs
    const state = await program.read(counter.state)
    assert.is(state[0], t)
    for (const [k, beta] of [
      [1, 0.9],
      [2, 0.999],
    ] as const) {
      const exact = 1 - beta ** t
      assert.ok(Math.abs(state[k]! - exact) < 4e-7 * exact, `1 - ${beta}^${t} is ${state[k]}, expected ${exact}`)
    }
    assert.equal(await program.read(counter.value), Float32Array.of(...state, 1))
  }
  program.destroy()
})

test('a training continues from saved state', async () => {
  const gpu = await testGpu()
  const start = values(6, 4)
  const gradient = constant([6], values(6, 5))
  const make = (data: Float32Array) => {
    const p = parameter([6], data)
    return { p, ...adam(p, multiply(gradient, p), { learningRate: 0.1 }) }
  }
  const whole = make(start)
  const program = await compile(gpu, {}, { effects: [whole.node] })
  program.run(4)
  const saved = { p: await program.read(whole.p), state: [] as Float32Array[] }
  for (const t of whole.state) saved.state.push(await program.read(t))
  program.run(3)

  const rest = make(saved.p)
  const resumed = await compile(gpu, {}, { effects: [rest.node] })
  rest.state.forEach((t, k) => {
    resumed.write(t, saved.state[k]!)
  })
  resumed.run(3)
  assert.equal(await resumed.read(rest.p), await program.read(whole.p))
  program.destroy()
  resumed.destroy()
})

test('a loss that is no finite number halts all steps of its counter, from that run on', async () => {
  const gpu = await testGpu()
  for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
    const loss = input([])
    const state = parameter([4])
    const halt = watch(loss, state)
    const counter = stepCounter({ state })
    const weights = [1, 2, 3, 4].map((v) => parameter([3], new Float32Array(3).fill(v)))
    const g = input([3])
    const steps = [
      adam(weights[0]!, g, { learningRate: 0.1, counter }),
      adam(weights[1]!, g, { learningRate: 0.1, counter, amsgrad: true }),
      sgd(weights[2]!, g, { learningRate: 0.1, counter }),
      sgd(weights[3]!, g, { learningRate: 0.1, counter, momentum: 0.5 }),
    ]
    const program = await compile(gpu, {}, { effects: [halt, ...steps.map(({ node }) => node)] })
    program.write(g, Float32Array.of(1, 1, 1))
    const run = async (value: number) => {
      program.write(loss, Float32Array.of(value))
      program.run()
      return Promise.all(weights.map(async (tensor) => [...(await program.read(tensor))]))
    }
    const first = await run(3e38)
    first.forEach((list, k) => {
      assert.ok(list.every((v) => v < k + 1))
    })
    assert.equal(await run(bad), first, `a loss of ${bad}`)
    assert.equal(await run(1), first, `after a loss of ${bad}`)
    assert.equal([...(await program.read(state))].at(-1), 1)
    program.destroy()
  }
})

test('sums over runs start anew where they are told to', async () => {
  const gpu = await testGpu()
  const total = parameter([70], values(70, 3))
  const x = input([70])
  const start = input([1])
  const program = await compile(gpu, {}, { effects: [accumulate(total, x, start)] })
  const runs = [values(70, 4), values(70, 5), values(70, 6)]
  for (const [k, list] of [...runs, runs[0]!].entries()) {
    program.write(x, list)
    program.write(start, Float32Array.of(k % 3 === 0 ? 1 : 0))
    program.run()
    const expected = list.map((_, i) => runs.slice(0, (k % 3) + 1).reduce((sum, own) => sum + own[i]!, 0))
    assertClose(await program.read(total), expected, `run ${k}`)
  }
  program.destroy()
})

test('refuses what cannot be optimised', () => {
  const p = parameter([3])
  const g = input([3])
  const refused = (build: () => unknown, message: RegExp) =>
    assert.throws(build, (e: Error) => e instanceof ShapeError && message.test(e.message))
  refused(() => sgd(p, input([4]), { learningRate: 1 }), /shape/)
  refused(() => adam(multiply(p, p), g, { learningRate: 1 }), /leaf/)
  refused(() => sgd(p, g, { learningRate: Number.NaN }), /learningRate/)
  refused(() => sgd(p, g, { learningRate: 1, nesterov: true }), /nesterov/)
  refused(() => adam(p, g, { learningRate: 1, beta1: 1 }), /beta1/)
  refused(() => adam(p, g, { learningRate: 1, beta1: 0.8, counter: stepCounter() }), /counter/)
})

test.run()
