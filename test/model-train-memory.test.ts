/** What a training takes on the GPU, at full size, and which batch fits: planned, nothing allocated. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { conv5Fc3, initialise } from '../src/model/architectures.ts'
import { train } from '../src/model/training/train.ts'
import { largestBatch, planTraining } from '../src/model/training/train-memory.ts'
import { closeTestGpu, testGpu } from './support/evaluate.ts'
import { toyNetwork, toySamples } from './support/training.ts'

const test = suite('training memory')
test.after(closeTestGpu)

test('Conv5_FC3 on 121x145x121: batches of four in 4 GB, and the largest batch in 8 GB fits while one more does not', async () => {
  const gpu = await testGpu()
  const before = gpu.counters.bytes
  const network = initialise(conv5Fc3({ inputShape: [1, 121, 145, 121] }), 1)
  const plan = (batch: number) => planTraining(gpu, network, {}, batch).total
  const four = plan(4)
  // 4 x 8 channels x 121x145x121 in f32 are 272 MB: the first block's output and its gradient are there at once.
  assert.ok(four > 2 * 272e6 && four < 4e9, `${four} bytes are planned`)
  const most = largestBatch(gpu, network, {}, 8e9)
  assert.ok(most > 4, `batches of ${most}`)
  assert.ok(plan(most) <= 8e9)
  const { total, largest } = planTraining(gpu, network, {}, most + 1)
  assert.ok(total > 8e9 || largest > gpu.limits.maxBufferSize, `${most + 1} would fit as well`)
  // Summing gradients over batches costs their sums, and no more activations.
  const weights = [...network.weights.values()].reduce((sum, { data }) => sum + 4 * data.length, 0)
  const more = planTraining(gpu, network, { accumulate: 8 }, 4).total - four
  assert.ok(more > 0.9 * weights && more < 2.5 * weights, `${more} bytes more for ${weights} of weights`)
  assert.is(largestBatch(gpu, network, {}, 1e6), 0)
  assert.is(gpu.counters.bytes, before, 'something was allocated')
})

test('what was planned is what a training takes', async () => {
  const gpu = await testGpu()
  const validation = toySamples(4, 500)
  for (const step of [{}, { accumulate: 2, optimizer: { kind: 'sgd', momentum: 0.9 } as const }]) {
    const network = toyNetwork()
    const plan = planTraining(gpu, network, step, 4)
    const { memory } = await train(gpu, network, toySamples(8, 1), { ...step, epochs: 1, batch: 4, validation })
    // A plan's trace has one row; a training's one for each step.
    assert.ok(
      Math.abs(memory.total - plan.total) <= 0.02 * plan.total,
      `${memory.total} where ${plan.total} was planned`,
    )
  }
})

test.run()
