/**
 * A training in a process of its own, to be killed: `training-child.ts CHECKPOINT` goes on from the checkpoint where there
 * is one, prints a line after each that it writes, and in the end a digest of all bits of the result.
 */
import { createHash } from 'node:crypto'
import { closeGpu, openGpu } from '../../src/engine/gpu.ts'
import { train } from '../../src/model/training/train.ts'
import { checkpointFile } from '../../src/model/training/train-files.node.ts'
import { bitsOf, RESUMABLE, toyNetwork, toySamples } from './training.ts'

const { resume, onCheckpoint } = await checkpointFile(process.argv[2]!)
const gpu = await openGpu()
const result = await train(gpu, toyNetwork(), toySamples(11, 10), {
  ...RESUMABLE,
  epochs: 10,
  // One program less to compile, in each of many processes.
  last: 'fill',
  validation: toySamples(5, 500),
  checkpointSteps: 1,
  resume,
  async onCheckpoint(bytes) {
    await onCheckpoint!(bytes)
    console.log('checkpoint')
  },
})
console.log(
  `result ${createHash('sha256')
    .update(JSON.stringify(bitsOf(result)))
    .digest('hex')}`,
)
closeGpu(gpu)
