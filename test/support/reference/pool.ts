/** Pooling in float64, written from the definitions: PyTorch's MaxPool3d (with F.pad where padding is zeros) and AvgPool3d. */

export interface PoolReference {
  readonly kernel: readonly number[]
  readonly stride: readonly number[]
  readonly dilation: readonly number[]
  readonly front: readonly number[]
  readonly back: readonly number[]
  readonly ceilMode: boolean
  readonly zeros?: boolean
  readonly countIncludePad?: boolean
}

/** Output size along one axis, counted by trying windows one after the other. */
function outputs(size: number, o: PoolReference, k: number): number {
  const [kernel, stride, dilation, front, back] = [o.kernel, o.stride, o.dilation, o.front, o.back].map(
    (v) => v[k]!,
  ) as number[]
  const padded = size + front! + back!
  const reach = dilation! * (kernel! - 1) + 1
  let count = 0
  while (count * stride! + reach <= padded) count++
  // One more window that sticks out, when it starts within the volume or the front padding.
  const overhang = count > 0 && (count - 1) * stride! + reach < padded
  if (o.ceilMode && overhang && count * stride! < size + front!) count++
  return count
}

export function poolShape(shape: readonly number[], o: PoolReference): number[] {
  return [...shape.slice(0, 2), ...[0, 1, 2].map((k) => outputs(shape[k + 2]!, o, k))]
}

/** Calls back for every tap of every window: output's flat index, plane, coordinates in x (may lie outside). */
function forTaps(
  shape: readonly number[],
  o: PoolReference,
  visit: (out: number, plane: number, at: number[]) => void,
): void {
  const size = poolShape(shape, o)
  let out = 0
  for (let plane = 0; plane < shape[0]! * shape[1]!; plane++)
    for (let d = 0; d < size[2]!; d++)
      for (let h = 0; h < size[3]!; h++)
        for (let w = 0; w < size[4]!; w++, out++)
          for (let a = 0; a < o.kernel[0]!; a++)
            for (let b = 0; b < o.kernel[1]!; b++)
              for (let c = 0; c < o.kernel[2]!; c++) {
                const place = [d, h, w].map((p, k) => p * o.stride[k]! + [a, b, c][k]! * o.dilation[k]! - o.front[k]!)
                visit(out, plane, place)
              }
}

const within = (at: readonly number[], shape: readonly number[], o?: PoolReference): boolean =>
  at.every((p, k) => p >= -(o?.front[k] ?? 0) && p < shape[k + 2]! + (o?.back[k] ?? 0))

export function maxPoolReference(x: ArrayLike<number>, shape: readonly number[], o: PoolReference) {
  const count = poolShape(shape, o).reduce((a, b) => a * b, 1)
  const y = new Float64Array(count).fill(Number.NEGATIVE_INFINITY)
  const index = new Uint32Array(count).fill(0xffffffff)
  const [, , D = 1, H = 1, W = 1] = shape
  forTaps(shape, o, (out, plane, at) => {
    const inside = within(at, shape)
    if (!inside && !(o.zeros && within(at, shape, o))) return
    const place = (at[0]! * H + at[1]!) * W + at[2]!
    const v = inside ? x[plane * D * H * W + place]! : 0
    if (v > y[out]! || Number.isNaN(v)) {
      y[out] = v
      index[out] = inside ? place : 0xffffffff
    }
  })
  return { y, index }
}

export function avgPoolReference(x: ArrayLike<number>, shape: readonly number[], o: PoolReference): Float64Array {
  const count = poolShape(shape, o).reduce((a, b) => a * b, 1)
  const total = new Float64Array(count)
  const divisor = new Float64Array(count)
  const [, , D = 1, H = 1, W = 1] = shape
  forTaps(shape, o, (out, plane, at) => {
    if (within(at, shape)) total[out]! += x[plane * D * H * W + (at[0]! * H + at[1]!) * W + at[2]!]!
    if (o.countIncludePad ? within(at, shape, o) : within(at, shape)) divisor[out]!++
  })
  return total.map((v, i) => v / divisor[i]!)
}
