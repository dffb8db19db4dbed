/** What a loop of runs leaves behind: one row of a trace a run, read back once at the end. */
import '../shaders-optim.gen.ts'
import { requireShape } from '../errors.ts'
import { apply, formatShape, type Node, type Operation, parameter, sizeOf, type Tensor } from '../tensor.ts'
import { linearGroups } from './launch.ts'
import type { StepCounter } from './optimizer.ts'

export interface Record {
  /** The effect; name it in compile's `effects`. */
  readonly node: Node
  /** Parameter [rows, ...x.shape]; free it with release(). */
  readonly trace: Tensor
}

/**
 * Keeps x of every run in a trace on the GPU: run t (from 1, by the counter) writes row (t - 1) mod rows. The host reads
 * the trace when it wants to, and no run waits for it.
 * @param x any shape, f32.
 * @param counter counts the runs; write zeros to its state to start at row 0 again.
 * @param given the trace of another program to go on with; default: a new one.
 */
export function record(x: Tensor, counter: StepCounter, rows: number, given?: Tensor): Record {
  requireShape(Number.isInteger(rows) && rows > 0, `record: rows must be a whole number above 0, got ${rows}`)
  requireShape(x.dtype === 'f32', `record: only f32 is kept, got ${x.dtype} ${formatShape(x.shape)}`)
  const count = sizeOf(x.shape)
  const trace = given ?? parameter([rows, ...x.shape], undefined, 'trace')
  const operation: Operation = {
    name: 'record',
    effect: true,
    lower: () => [
      {
        kernel: 'optim/record',
        constants: { ROWS: rows, COUNT: count },
        bind: { x, counter: counter.runs, trace },
        groups: linearGroups(count, 64),
      },
    ],
  }
  return { node: apply(operation, [x, counter.runs, trace], []), trace }
}
