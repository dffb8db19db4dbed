/** TensorFlow's padding rules, as explicit margins. */
import type { Sizes } from '../layer-rules.ts'

interface MarginLists {
  front: number[]
  back: number[]
}

/** Splits totals so that the odd voxel comes at the back. */
function split(totals: readonly number[]): MarginLists {
  const front = totals.map((n) => Math.floor(n / 2))
  return { front, back: totals.map((n, k) => n - front[k]!) }
}

/** SAME: ceil(size / stride) outputs. */
export function samePadding(sizes: Sizes, kernel: Sizes, stride: Sizes, dilation: Sizes): MarginLists {
  const totals = sizes.map((size, k) => {
    const outputs = Math.ceil(size / stride[k]!)
    return Math.max((outputs - 1) * stride[k]! + (kernel[k]! - 1) * dilation[k]! + 1 - size, 0)
  })
  return split(totals)
}

/** What a transposed convolution cuts off or adds: SAME gives size * stride, VALID size * stride + max(kernel - stride, 0). */
export function transposedPadding(
  mode: 'same' | 'valid',
  sizes: Sizes,
  kernel: Sizes,
  stride: Sizes,
  dilation: Sizes,
): { padding: MarginLists; outputPadding: number[] } {
  const surplus = sizes.map((size, k) => {
    const reach = (kernel[k]! - 1) * dilation[k]! + 1
    const wanted = size * stride[k]! + (mode === 'valid' ? Math.max(reach - stride[k]!, 0) : 0)
    return (size - 1) * stride[k]! + reach - wanted
  })
  return { padding: split(surplus.map((n) => Math.max(n, 0))), outputPadding: surplus.map((n) => Math.max(-n, 0)) }
}
