/** Known numbers: constants, shapes, and what operators take as lists of them. */
import { InputError } from '../../io/errors.ts'
import type { Sizes } from '../layer-rules.ts'
import { axisOf, type Call, type Fixed, fixedInput, shortList } from './onnx-graph.ts'

export type Numbers = Float32Array | Float64Array

export function fixed(shape: Sizes, values: Numbers, integer: boolean): Fixed {
  return { shape, integer, read: () => values }
}

/** What Slice cuts: attributes up to operator set 9, inputs since. */
export function sliceOf(call: Call, rank: number) {
  const starts = shortList(call, 1, 'starts')
  const ends = shortList(call, 2, 'ends')
  if (!starts || !ends) throw new InputError('its starts or ends are missing')
  const axes = (shortList(call, 3, 'axes') ?? starts.map((_, k) => k)).map((a) => axisOf(a, rank))
  const steps = shortList(call, 4, 'steps') ?? starts.map(() => 1)
  const isEven = [ends, axes, steps].every((l) => l.length === starts.length) && new Set(axes).size === axes.length
  if (!isEven || steps.includes(0)) throw new InputError('its starts, ends, axes and steps do not fit together')
  return { starts, ends, axes, steps }
}

/** The elements start, start + step, ... before end, as numpy counts them. */
export function range(start: number, end: number, step: number, size: number): { from: number; count: number } {
  const within = (v: number) => {
    const counted = v < 0 ? v + size : v
    return step > 0 ? Math.min(Math.max(counted, 0), size) : Math.min(Math.max(counted, -1), size - 1)
  }
  const from = within(start)
  return { from, count: Math.max(Math.ceil((within(end) - from) / step), 0) }
}

/** The share that a Dropout drops. @throws InputError when it is told to do so at inference */
export function inferenceRate(call: Call): number {
  const rate = fixedInput(call, 1, 'ratio')?.read()[0] ?? call.number('ratio', 0.5)
  if (rate !== 0 && fixedInput(call, 2, 'training_mode')?.read()[0]) {
    throw new InputError('it is in training mode; export the network for inference')
  }
  return rate
}

export function asFloat(value: Fixed): Fixed {
  return value.integer ? { ...value, integer: false, read: () => Float32Array.from(value.read()) } : value
}

/** A shape as a value: all of it, or from `start` to `end`. */
export function shapeValue(call: Call, shape: Sizes): Fixed {
  const { from, count } = range(call.number('start', 0), call.number('end', shape.length), 1, shape.length)
  return fixed([count], Float64Array.from(shape.slice(from, from + count)), true)
}

/** The value of a Constant node, in whichever attribute it lies. */
export function constantValue(call: Call): Fixed {
  const tensor = call.tensor('value')
  if (tensor) return tensor
  if (call.has('value_float')) return fixed([], Float32Array.of(call.number('value_float', 0)), false)
  if (call.has('value_int')) return fixed([], Float64Array.of(call.number('value_int', 0)), true)
  const floats = call.numbers('value_floats')
  if (floats) return fixed([floats.length], Float32Array.from(floats), false)
  const integers = call.numbers('value_ints')
  if (integers) return fixed([integers.length], Float64Array.from(integers), true)
  throw new InputError('it has no value that is supported (tensor, floats or integers)')
}
