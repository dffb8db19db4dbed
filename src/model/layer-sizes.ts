/** Arithmetic on the sizes of layers' inputs and outputs, without the batch axis: [C, D, H, W] or [F]. */
import { InputError } from '../io/errors.ts'
import type { Margins, Triple } from './layer.ts'

export type Sizes = readonly number[]

export function product(sizes: Sizes): number {
  return sizes.reduce((a, b) => a * b, 1)
}

export function require(condition: boolean, message: string): asserts condition {
  if (!condition) throw new InputError(message)
}

export function formatSizes(sizes: Sizes): string {
  return `[${sizes.join(', ')}]`
}

export function volume(sizes: Sizes): [number, number, number, number] {
  require(sizes.length === 4, `takes [C, D, H, W], got ${formatSizes(sizes)}`)
  return sizes as unknown as [number, number, number, number]
}

/** Output sizes of a window that slides over the padded volume. */
export function windows(
  sizes: Sizes,
  kernel: Triple,
  stride: Triple,
  padding: Margins,
  dilation: Triple,
  ceil = false,
): number[] {
  return sizes.slice(1).map((size, k) => {
    const room = size + padding.front[k]! + padding.back[k]! - dilation[k]! * (kernel[k]! - 1) - 1
    require(room >= 0, `its window of ${kernel.join('x')} does not fit into ${formatSizes(sizes)}`)
    const count = (ceil ? Math.ceil : Math.floor)(room / stride[k]!) + 1
    // The last window has to start inside the volume or its front padding.
    return ceil && (count - 1) * stride[k]! >= size + padding.front[k]! ? count - 1 : count
  })
}

export function grouped(channels: number, outputs: number, groups: number): void {
  require(channels % groups === 0 &&
    outputs % groups ===
      0, `its ${groups} groups divide neither ${channels} input nor ${outputs} output channels evenly`)
}

/** Numpy's broadcasting of shapes that all have the batch axis in front. */
export function broadcast(inputs: readonly Sizes[]): Sizes {
  const rank = inputs[0]!.length
  require(inputs.every(
    (s) => s.length === rank,
  ), `its inputs ${inputs.map(formatSizes).join(' and ')} have different numbers of axes`)
  return inputs[0]!.map((_, k) => {
    const sizes = inputs.map((s) => s[k]!)
    const size = Math.max(...sizes)
    require(sizes.every(
      (n) => n === size || n === 1,
    ), `its inputs ${inputs.map(formatSizes).join(' and ')} do not broadcast`)
    return size
  })
}
