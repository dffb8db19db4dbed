/** GPU memory does not grow with the number of scans: of voxplain explain, and of three methods in turns. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { explainEach } from '../src/cli/explain-work.ts'
import { prepareScan } from '../src/explain/explain.ts'
import { inputXGradient, saliency } from '../src/explain/gradient/saliency.ts'
import { lrp } from '../src/explain/lrp/lrp.ts'
import { settingsOf } from '../src/explain/method.ts'
import { initialise, posterCnn } from '../src/model/architectures.ts'
import { SIZE, tinyScan } from './support/cli.ts'
import { closeTestGpu, testGpu } from './support/evaluate.ts'
import { explainTask } from './support/explain-task.ts'

const test = suite('explain many scans')
test.after(closeTestGpu)

test('programs are compiled once, and hold the same bytes from the first group to the last', async () => {
  const gpu = await testGpu()
  const { task, clear } = await explainTask(gpu, 5, 'saliency,ixg')
  const bytes: number[] = []
  const before = gpu.counters.bytes
  const notes: string[] = []
  const reporter = {
    ...task.reporter,
    note: (text: string) => void notes.push(text),
    print: () => void bytes.push(gpu.counters.bytes),
  }
  const outcomes = await explainEach({ ...task, reporter })
  await clear()
  assert.equal(
    outcomes.map((outcome) => 'error' in outcome),
    Array(10).fill(false),
  )
  // A line for each map; the first is written while the second method is made ready.
  assert.is(bytes.length, 10)
  assert.is(new Set(bytes.slice(2)).size, 1, bytes.join(', '))
  assert.is(notes.filter((note) => /planned GPU memory/.test(note)).length, 2)
  // What stays are the network's weights, for other programs.
  assert.ok(gpu.counters.bytes - before < 0.5 * (bytes.at(-1)! - before))
})

test('64 scans by 3 methods: the same bytes and no new buffer after the first scan', async () => {
  const gpu = await testGpu()
  const network = initialise(posterCnn({ inputShape: [1, ...SIZE], channels: [2, 3] }), 4)
  const before = gpu.counters.bytes
  const explainers = [
    await saliency.make(gpu, network, {}),
    await inputXGradient.make(gpu, network, {}),
    await lrp.make(gpu, network, settingsOf(lrp)),
  ]
  const [bytes, buffers, logits] = [new Set<number>(), new Set<number>(), new Set<number>()]
  for (let n = 0; n < 64; n++) {
    const { tensor, spacing } = prepareScan(network, tinyScan(n))
    for (const explainer of explainers) {
      const [map] = await explainer.explain([{ tensor, spacing }])
      logits.add(map!.logits[0]!)
      if (n === 0) continue
      bytes.add(gpu.counters.bytes - before)
      buffers.add(gpu.counters.buffers)
    }
  }
  assert.is(bytes.size, 1, [...bytes].join(', '))
  assert.is(buffers.size, 1)
  assert.ok(logits.size >= 64, 'the scans differ')
  for (const explainer of explainers) explainer.destroy()
  const left = gpu.counters.bytes - before
  assert.ok(left < 0.2 * [...bytes][0]!, `${left} bytes are left`)
  console.log(`192 maps: ${[...bytes][0]} bytes of GPU memory after each scan, ${left} when all are closed`)
})

test.run()
