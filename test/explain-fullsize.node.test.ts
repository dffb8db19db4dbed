/** A mask step at full size: Conv5_FC3 on a 121x145x121 volume, within the memory that was planned. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { optimiseMask, planMask } from '../src/explain/mask.ts'
import { conv5Fc3, initialise } from '../src/model/architectures.ts'
import { closeTestGpu, testGpu, values } from './support/evaluate.ts'

const test = suite('full size')
test.after(closeTestGpu)

test('one step of Conv5_FC3 at 121x145x121 runs in under 400 MB, planned beforehand, and makes no buffer in the loop', async () => {
  const gpu = await testGpu()
  const network = initialise(conv5Fc3({ inputShape: [1, 121, 145, 121] }), 1)
  const options = { resolution: 1, iterations: 2, tolerance: 0, target: 1 }
  const { total } = planMask(gpu, network, options)
  console.log(`planned ${(total / 1e6).toFixed(1)} MB`)
  assert.ok(total < 400e6)
  const made: number[] = []
  const scan = values(121 * 145 * 121, 3).map((v) => 0.5 + 0.5 * v)
  const onProgress = () => {
    assert.ok(gpu.counters.bytes <= total + 4e6, `${gpu.counters.bytes} bytes are alive, ${total} were planned`)
    made.push(gpu.counters.buffers)
  }
  const result = await optimiseMask(gpu, network, [scan], { ...options, onProgress })
  assert.is(result.gpuBytes, total)
  assert.equal(new Set(made).size, 1, 'buffers made between steps')
  assert.ok(result.trace.every((step) => Number.isFinite(step.total)))
})

test.run()
