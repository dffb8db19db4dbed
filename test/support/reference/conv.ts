/** Convolution from its definition, in float64. */

export interface ConvCase {
  n: number
  channels: number
  outputs: number
  groups: number
  size: readonly number[]
  kernel: readonly number[]
  stride: readonly number[]
  dilation: readonly number[]
  front: readonly number[]
  back: readonly number[]
}

/** Size of the convolution's output along each axis. */
export function convOutput(c: ConvCase): number[] {
  return c.size.map((d, a) => {
    const span = c.dilation[a]! * (c.kernel[a]! - 1) + 1
    return Math.floor((d + c.front[a]! + c.back[a]! - span) / c.stride[a]!) + 1
  })
}

/** Calls back for every product of a convolution: flat indices of output, input and weight. */
function eachProduct(c: ConvCase, visit: (y: number, x: number, w: number) => void): void {
  const [D, H, W] = c.size as [number, number, number]
  const [OD, OH, OW] = convOutput(c) as [number, number, number]
  const [KD, KH, KW] = c.kernel as [number, number, number]
  const inner = c.channels / c.groups
  const outer = c.outputs / c.groups
  for (let n = 0; n < c.n; n++)
    for (let m = 0; m < c.outputs; m++)
      for (let i = 0; i < inner; i++)
        for (let kd = 0; kd < KD; kd++)
          for (let kh = 0; kh < KH; kh++)
            for (let kw = 0; kw < KW; kw++)
              for (let od = 0; od < OD; od++)
                for (let oh = 0; oh < OH; oh++)
                  for (let ow = 0; ow < OW; ow++) {
                    const d = od * c.stride[0]! + kd * c.dilation[0]! - c.front[0]!
                    const h = oh * c.stride[1]! + kh * c.dilation[1]! - c.front[1]!
                    const w = ow * c.stride[2]! + kw * c.dilation[2]! - c.front[2]!
                    if (d < 0 || h < 0 || w < 0 || d >= D || h >= H || w >= W) continue
                    const channel = Math.floor(m / outer) * inner + i
                    const y = (((n * c.outputs + m) * OD + od) * OH + oh) * OW + ow
                    const x = (((n * c.channels + channel) * D + d) * H + h) * W + w
                    visit(y, x, (((m * inner + i) * KD + kd) * KH + kh) * KW + kw)
                  }
}

const product = (list: readonly number[]) => list.reduce((a, b) => a * b, 1)

/** y[n, m, o] = sum of x * w. */
export function convForward(c: ConvCase, x: ArrayLike<number>, w: ArrayLike<number>): Float64Array {
  const y = new Float64Array(c.n * c.outputs * product(convOutput(c)))
  eachProduct(c, (j, i, k) => {
    y[j]! += x[i]! * w[k]!
  })
  return y
}

/** Gradient with respect to x, given dy; also the transposed convolution of dy. */
export function convData(c: ConvCase, dy: ArrayLike<number>, w: ArrayLike<number>): Float64Array {
  const dx = new Float64Array(c.n * c.channels * product(c.size))
  eachProduct(c, (j, i, k) => {
    dx[i]! += dy[j]! * w[k]!
  })
  return dx
}

/** Gradient with respect to w, given dy. */
export function convWeight(c: ConvCase, x: ArrayLike<number>, dy: ArrayLike<number>): Float64Array {
  const dw = new Float64Array((c.outputs * c.channels * product(c.kernel)) / c.groups)
  eachProduct(c, (j, i, k) => {
    dw[k]! += x[i]! * dy[j]!
  })
  return dw
}
