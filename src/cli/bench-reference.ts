/** Convolution and its gradients from the definition, in float64: what kernels are checked against. */
import type { ConvGeometry } from '../engine/ops/conv.ts'
import { type Shape, sizeOf } from '../engine/tensor.ts'

/** Forward, gradient with respect to the data, gradient with respect to the weights. */
export const PASSES = ['forward', 'data', 'weight'] as const
export type Pass = (typeof PASSES)[number]

export interface ConvProblem {
  /** [N, C, D, H, W]. */
  readonly x: Shape
  /** [M, C / groups, kd, kh, kw]. */
  readonly w: Shape
  /** [N, M, D', H', W']. */
  readonly y: Shape
  readonly geometry: ConvGeometry
}

/** Multiply-adds of one pass, those with the padding included. */
export function convProducts({ w, y }: ConvProblem): number {
  return (sizeOf(y) / y[1]!) * sizeOf(w)
}

/** Result of one pass: y of x and w, dx of dy and w, or dw of x and dy. */
export function convReference(
  pass: Pass,
  problem: ConvProblem,
  { x, w, dy }: Readonly<Record<'x' | 'w' | 'dy', Float32Array>>,
): Float64Array {
  const result = new Float64Array(sizeOf({ forward: problem.y, data: problem.x, weight: problem.w }[pass]))
  const add = {
    forward: (j: number, i: number, k: number) => void (result[j]! += x[i]! * w[k]!),
    data: (j: number, i: number, k: number) => void (result[i]! += dy[j]! * w[k]!),
    weight: (j: number, i: number, k: number) => void (result[k]! += dy[j]! * x[i]!),
  }
  eachProduct(problem, add[pass])
  return result
}

/** Calls back with the flat indices of output, input and weight of every product. */
function eachProduct({ x, w, y, geometry }: ConvProblem, visit: (j: number, i: number, k: number) => void): void {
  const [, channels, ...size] = x as [number, number, number, number, number]
  const [filters, inner, ...kernel] = w as [number, number, number, number, number]
  const out = y.slice(2)
  const { stride, dilation, front, groups } = geometry
  for (const [o, t] of pairs(out, kernel)) {
    const at = o.map((p, a) => p * stride[a]! + t[a]! * dilation[a]! - front[a]!)
    if (at.some((p, a) => p < 0 || p >= size[a]!)) continue
    const [voxelX, voxelY, tap] = [flat(at, size), flat(o, out), flat(t, kernel)]
    for (let n = 0; n < x[0]!; n++) {
      for (let m = 0; m < filters; m++) {
        const first = Math.floor((m * groups) / filters) * inner
        const j = (n * filters + m) * sizeOf(out) + voxelY
        for (let c = 0; c < inner; c++) {
          visit(j, (n * channels + first + c) * sizeOf(size) + voxelX, (m * inner + c) * sizeOf(kernel) + tap)
        }
      }
    }
  }
}

/** Every position of one box with every position of another. */
function* pairs(a: Shape, b: Shape): Generator<[number[], number[]]> {
  for (let p = 0; p < sizeOf(a); p++) for (let q = 0; q < sizeOf(b); q++) yield [position(p, a), position(q, b)]
}

function position(index: number, [, h, w]: Shape): number[] {
  return [Math.floor(index / (h! * w!)), Math.floor(index / w!) % h!, index % w!]
}

function flat([d, h, w]: readonly number[], [, height, width]: Shape): number {
  return (d! * height! + h!) * width! + w!
}
