/** Loss scaling: overflows are found wherever they are, their steps change nothing, and the scale follows. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { compile } from '../src/engine/compile.ts'
import { release } from '../src/engine/gpu.ts'
import { affine, multiply } from '../src/engine/ops/elementwise.ts'
import { lossScale, saturated } from '../src/engine/ops/loss-scale.ts'
import { adam, type OptimizerStep, sgd, stepCounter, watch } from '../src/engine/ops/optimizer.ts'
import { record } from '../src/engine/ops/record.ts'
import { input, parameter, type Tensor } from '../src/engine/tensor.ts'
import { closeTestGpu, testGpu, values } from './support/evaluate.ts'

const test = suite('loss scale')
test.after(closeTestGpu)

test('a value at the end of the range is found anywhere, and nothing else is', async () => {
  const gpu = await testGpu()
  for (const count of [1, 63, 4096, 4097, 300_001]) {
    const x = input([count])
    const flag = saturated(x)
    const program = await compile(gpu, { flag })
    const flagOf = async (data: Float32Array) => {
      program.write(x, data)
      program.run()
      return (await program.read(flag))[0]!
    }
    const plain = values(count, 3).map((v) => 65000 * v)
    assert.is(await flagOf(plain), 0)
    for (const [at, value] of [
      [0, 65504],
      [count - 1, -65504],
      [count >> 1, 1e30],
    ] as const) {
      const data = plain.slice()
      data[at] = value
      assert.is(await flagOf(data), 1, `${value} at ${at} of ${count}`)
    }
    program.destroy()
  }
})

/** The same gradients to a step with and without a scale; `overflow` is written by the test. */
async function steps(make: (p: Tensor, g: Tensor, options: object) => OptimizerStep, interval: number) {
  const gpu = await testGpu()
  const overflow = input([])
  const g = input([7])
  const loss = input([])
  const scaling = { ...lossScale(2 ** 10), overflow, interval }
  const [plain, scaled] = [values(7, 1), values(7, 1)].map((data) => parameter([7], data)) as [Tensor, Tensor]
  const state = parameter([4])
  const halt = watch(loss, state)
  // Before the counter, which changes the scale for the next run.
  const large = multiply(affine(g, 1), scaling.scale)
  const counter = stepCounter({ scaling, state })
  const plainCounter = stepCounter()
  const [own, its] = [make(plain, g, { counter: plainCounter }), make(scaled, large, { counter })]
  const kept = record(affine(loss, 1), counter, 8)
  const reference = await compile(gpu, {}, { effects: [own.node] })
  const program = await compile(gpu, { trace: kept.trace }, { effects: [halt, its.node, kept.node] })
  return {
    gpu,
    /** One run; the reference takes part only where the step should count. */
    async run(k: number, isOver: boolean, lossValue = k) {
      const gradient = values(7, 10 + k)
      program.write(g, gradient)
      program.write(overflow, Float32Array.of(isOver ? 2 : 0))
      program.write(loss, Float32Array.of(lossValue))
      program.run()
      if (!isOver && Number.isFinite(lossValue)) {
        reference.write(g, gradient)
        reference.run()
      }
      const [scale, tally, weights, wanted, trace, count] = await Promise.all([
        program.read(scaling.scale),
        program.read(scaling.tally),
        program.read(scaled),
        reference.read(plain),
        program.read(kept.trace),
        program.read(state),
      ])
      return { scale: scale[0]!, tally: [...tally], weights, wanted, trace, t: count[0]! }
    },
    destroy() {
      program.destroy()
      reference.destroy()
      release(gpu, [...gpu.resident.keys()])
    },
  }
}

const kinds = {
  adam: (p: Tensor, g: Tensor, options: object) => adam(p, g, { learningRate: 0.01, weightDecay: 0.1, ...options }),
  amsgrad: (p: Tensor, g: Tensor, options: object) => adam(p, g, { learningRate: 0.01, amsgrad: true, ...options }),
  sgd: (p: Tensor, g: Tensor, options: object) => sgd(p, g, { learningRate: 0.01, weightDecay: 0.1, ...options }),
  momentum: (p: Tensor, g: Tensor, options: object) => sgd(p, g, { learningRate: 0.01, momentum: 0.9, ...options }),
}

for (const [name, make] of Object.entries(kinds)) {
  test(`${name}: scaled gradients give the same steps; overflows are skipped, halve the scale and do not count`, async () => {
    const { run, destroy } = await steps(make, 3)
    // The scale after each run: halved by an overflow, doubled after three runs in a row without one.
    const runs: [boolean, number][] = [
      [true, 512],
      [false, 512],
      [true, 256],
      [true, 128],
      [false, 128],
      [false, 128],
      [false, 256],
      [false, 256],
    ]
    let t = 0
    let skipped = 0
    for (const [k, [over, wanted]] of runs.entries()) {
      const seen = await run(k, over)
      if (over) skipped++
      else t++
      assert.is(seen.scale, wanted, `scale after run ${k}`)
      assert.is(seen.tally[1], skipped)
      assert.is(seen.t, t, `steps after run ${k}`)
      // A power of two scales without rounding.
      assert.equal(seen.weights, seen.wanted, `weights after run ${k}`)
      assert.equal([...seen.trace.subarray(0, k + 1)], [...Array(k + 1).keys()], 'each run has its row')
    }
    destroy()
  })
}

test('the scale has a floor, and a halted training leaves it as it was', async () => {
  const { run, destroy } = await steps(kinds.sgd, 100)
  let scale = 0
  for (let k = 0; k < 14; k++) scale = (await run(k, true)).scale
  assert.is(scale, 1)
  await run(14, false, Number.POSITIVE_INFINITY)
  const { scale: after, tally, weights, wanted } = await run(15, true)
  assert.is(after, 1)
  assert.is(tally[1], 14)
  assert.equal(weights, wanted)
  destroy()
})

test.run()
