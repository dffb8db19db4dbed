/** Gradient rules of operations that move values. */
import { flip, slice, spread, transpose } from '../ops/shape.ts'
import type { Shape } from '../tensor.ts'
import type { Rules } from './rule.ts'

export const shapeRules: Rules = {
  concat: ({ inputs, attributes }, [dy], wanted) => {
    const { axis } = attributes as { axis: number }
    let start = 0
    return inputs.map((x, k) => {
      const starts = x.shape.map((_, a) => (a === axis ? start : 0))
      start += x.shape[axis]!
      return wanted[k] ? slice(dy!, starts, x.shape) : undefined
    })
  },
  slice: ({ inputs: [x], attributes }, [dy]) => {
    const { starts, steps } = attributes as { starts: readonly number[]; steps: readonly number[] }
    return [spread(dy!, x!.shape, { front: starts, steps })]
  },
  pad: ({ inputs: [x], attributes }, [dy]) => {
    const { front, steps } = attributes as { front: readonly number[]; steps: readonly number[] }
    return [slice(dy!, front, x!.shape, steps)]
  },
  transpose: ({ inputs: [x], attributes }, [dy]) => {
    const { axes } = attributes as { axes: Shape }
    return [
      transpose(
        dy!,
        x!.shape.map((_, k) => axes.indexOf(k)),
      ),
    ]
  },
  flip: ({ attributes }, [dy]) => [flip(dy!, (attributes as { axes: Shape }).axes)],
}
