/** GPU memory of voxplain explain does not grow with the number of scans. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { explainEach } from '../src/cli/explain-work.ts'
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

test.run()
