/** Runs symbolic tensors on the GPU and compares numbers; shared by the engine's tests, in Node and in the browser. */
import { backward } from '../../src/engine/backward.ts'
import '../../src/engine/gradients/conv-weight.ts'
import { type CompileOptions, compile } from '../../src/engine/compile.ts'
import { closeGpu, type Gpu, type OpenOptions, openGpu, release } from '../../src/engine/gpu.ts'
import { multiply } from '../../src/engine/ops/elementwise.ts'
import { sum } from '../../src/engine/ops/reduce.ts'
import { input, type Shape, sizeOf, type Tensor } from '../../src/engine/tensor.ts'

/** One GPU for a test file; close it in the last test with closeTestGpu. */
let shared: Promise<Gpu> | undefined

export function testGpu(options?: OpenOptions): Promise<Gpu> {
  if (options) return openGpu(options)
  shared ??= openGpu()
  return shared
}

/** Call in `suite.after`, or Node will not end. */
export async function closeTestGpu(): Promise<void> {
  if (shared) closeGpu(await shared)
  shared = undefined
}

/** Deterministic values in [-1, 1), well spread; the same everywhere. */
export function values(count: number, seed = 1): Float32Array {
  let state = (seed * 2654435761) >>> 0
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return (state >>> 8) / 2 ** 23 - 1
  })
}

/** An operation under test: symbolic inputs in, symbolic outputs out. */
export type Build = (...inputs: Tensor[]) => Tensor | readonly Tensor[]

export interface Evaluated {
  readonly outputs: Float32Array[]
  /** Gradient of sum(outputs[0] * weights) with respect to each input; weights from values(size, 99). */
  readonly gradients: Float32Array[]
}

/** Weights with which the first output is summed to a scalar for gradients. */
export function gradientWeights(shape: Shape): Float32Array {
  return values(sizeOf(shape), 99)
}

/**
 * Builds, compiles and runs an operation on the given input values.
 * @param options.gradient also computes gradients with respect to every input.
 */
export async function evaluate(
  gpu: Gpu,
  build: Build,
  inputs: readonly { shape: Shape; data: Float32Array }[],
  options: CompileOptions & { gradient?: boolean } = {},
): Promise<Evaluated> {
  const tensors = inputs.map(({ shape }) => input(shape))
  const built = build(...tensors)
  const outputs = 'node' in built ? [built as Tensor] : [...(built as readonly Tensor[])]
  const weights = input(outputs[0]!.shape)
  const gradients = options.gradient ? backward(sum(multiply(outputs[0]!, weights)), tensors) : []
  const named = Object.fromEntries([...outputs, ...gradients].map((t, k) => [String(k), t]))
  const program = await compile(gpu, named, options)
  const used = new Set(program.inputs)
  tensors.forEach((t, k) => {
    if (used.has(t)) program.write(t, inputs[k]!.data)
  })
  if (used.has(weights)) program.write(weights, gradientWeights(outputs[0]!.shape))
  program.run()
  const result = {
    outputs: await all(outputs, (t) => program.read(t)),
    gradients: await all(gradients, (t) => program.read(t)),
  }
  program.destroy()
  release(gpu, [...gpu.resident.keys()])
  return result
}

async function all<T, R>(items: readonly T[], each: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = []
  for (const item of items) results.push(await each(item))
  return results
}

/** Throws unless |actual - expected| <= absolute + relative * (largest |expected|), element by element; names the worst. */
export function assertClose(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  label: string,
  { relative = 1e-5, absolute = 1e-6 } = {},
): void {
  if (actual.length !== expected.length)
    throw new Error(`${label}: ${actual.length} values, expected ${expected.length}`)
  let largest = 0
  for (let i = 0; i < expected.length; i++) largest = Math.max(largest, Math.abs(expected[i]!))
  const allowed = absolute + relative * largest
  for (let i = 0; i < expected.length; i++) {
    const difference = Math.abs(actual[i]! - expected[i]!)
    if (!(difference <= allowed)) {
      throw new Error(
        `${label}: element ${i} is ${actual[i]}, expected ${expected[i]} (off by ${difference}, allowed ${allowed})`,
      )
    }
  }
}

/**
 * Gradient of sum(reference(inputs)[0] * weights) by central differences in float64, at up to `probes` elements an input.
 * Returns pairs of element index and derivative, to compare with evaluate()'s gradients.
 */
export function finiteDifferences(
  reference: (...inputs: Float64Array[]) => Float64Array,
  inputs: readonly ArrayLike<number>[],
  outputShape: Shape,
  { step = 1e-5, probes = 24 } = {},
): { index: number; derivative: number }[][] {
  const weights = gradientWeights(outputShape)
  const arrays = inputs.map((a) => Float64Array.from(a))
  const score = () => reference(...arrays).reduce((s, v, i) => s + v * weights[i]!, 0)
  return arrays.map((array) => {
    const stride = Math.max(1, Math.floor(array.length / probes))
    const found: { index: number; derivative: number }[] = []
    for (let index = 0; index < array.length; index += stride) {
      const before = array[index]!
      array[index] = before + step
      const above = score()
      array[index] = before - step
      const below = score()
      array[index] = before
      found.push({ index, derivative: (above - below) / (2 * step) })
    }
    return found
  })
}

/** Throws unless GPU gradients agree with finite differences. */
export function assertGradients(
  gradients: readonly Float32Array[],
  differences: readonly { index: number; derivative: number }[][],
  label: string,
  tolerance: { relative?: number; absolute?: number } = { relative: 1e-4, absolute: 1e-5 },
): void {
  gradients.forEach((gradient, k) => {
    const probes = differences[k]!
    assertClose(
      probes.map((p) => gradient[p.index]!),
      probes.map((p) => p.derivative),
      `${label}: gradient of input ${k}`,
      tolerance,
    )
  })
}
