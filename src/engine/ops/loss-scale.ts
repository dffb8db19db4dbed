/**
 * Dynamic loss scaling (Micikevicius et al. 2018): where gradients are stored as f16, which ends at 6e-8 and 65504, the
 * loss is multiplied by a scale that is as large as can be, found by trial; all of it on the GPU.
 */
import '../shaders-optim.gen.ts'
import { apply, type Operation, parameter, sizeOf, type Tensor } from '../tensor.ts'
import { linearGroups } from './launch.ts'
import { sumDispatches } from './reduce.ts'

export interface LossScale {
  /** Parameter []: what arrives at the loss on the way back. */
  readonly scale: Tensor
  /** Parameter [2]: runs since the scale last changed, and steps that were skipped. */
  readonly tally: Tensor
}

/** The start, growth after 2000 steps and halving of torch.amp.GradScaler. */
const FIRST = 2 ** 16
export const GROWTH_INTERVAL = 2000

export function lossScale(first = FIRST): LossScale {
  return {
    scale: parameter([], Float32Array.of(first), 'loss scale'),
    tally: parameter([2], undefined, 'loss scale tally'),
  }
}

const CHUNK = 4096

/**
 * How many parts of x hold a value at the end of f16's range, as a number []: 0 where all values fit. In a program that
 * stores x as f32 it is 0 for smaller values as well.
 */
export function saturated(x: Tensor): Tensor {
  const count = sizeOf(x.shape)
  const chunks = Math.ceil(count / CHUNK)
  const operation: Operation = {
    name: 'saturated',
    lower: ({ outputs }, context) => {
      const [y] = outputs as [Tensor]
      const found = chunks === 1 ? y : context.scratch([chunks], 'f32', true)
      const constants = { COUNT: count, CHUNK }
      const first = { kernel: 'optim/saturated', constants, bind: { x, y: found }, groups: linearGroups(chunks, 1) }
      return chunks === 1 ? [first] : [first, ...sumDispatches(found, y, [0], 1, context)]
    },
  }
  return apply(operation, [x], [{ shape: [] }]).outputs[0]!
}
