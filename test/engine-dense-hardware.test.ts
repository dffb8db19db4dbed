/** Matrix products with the kernels for hardware GPUs, on whatever adapter there is. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { backward } from '../src/engine/backward.ts'
import { compile } from '../src/engine/compile.ts'
import { closeGpu, type Gpu, openGpu } from '../src/engine/gpu.ts'
import { matmul } from '../src/engine/ops/dense.ts'
import { leakyRelu, multiply } from '../src/engine/ops/elementwise.ts'
import { sum } from '../src/engine/ops/reduce.ts'
import { input, parameter } from '../src/engine/tensor.ts'
import { assertClose, gradientWeights, values } from './support/evaluate.ts'

const test = suite('dense hardware')

let gpu: Gpu
test.before(async () => {
  gpu = { ...(await openGpu()), software: false }
})
test.after(() => closeGpu(gpu))

/** x [P, Q] times w [R, Q]' and the gradients of a weighted sum of it, in float64. */
function reference(x: Float32Array, w: Float32Array, dy: Float32Array, [p, q, r]: readonly [number, number, number]) {
  const y = new Float64Array(p * r)
  const dx = new Float64Array(p * q)
  const dw = new Float64Array(r * q)
  for (let i = 0; i < p; i++)
    for (let j = 0; j < r; j++)
      for (let k = 0; k < q; k++) {
        y[i * r + j]! += x[i * q + k]! * w[j * q + k]!
        dx[i * q + k]! += dy[i * r + j]! * w[j * q + k]!
        dw[j * q + k]! += dy[i * r + j]! * x[i * q + k]!
      }
  return { y, dx, dw }
}

async function check(sizes: readonly [number, number, number], kernels: readonly string[]): Promise<void> {
  const [p, q, r] = sizes
  const label = sizes.join('x')
  const data = { x: values(p * q, 1), w: values(r * q, 2), dy: gradientWeights([p, r]) }
  const x = input([p, q])
  const w = parameter([r, q], data.w)
  const dy = input([p, r])
  const y = matmul(x, w, { transposeB: true })
  const [dx, dw] = backward(sum(multiply(y, dy)), [x, w])
  const fused = leakyRelu(matmul(x, w, { transposeB: true }), 0.1)
  const program = await compile(gpu, { y, dx: dx!, dw: dw!, fused })
  const used = new Set(program.launches.map(({ kernel }) => kernel))
  for (const kernel of kernels) assert.ok(used.has(kernel), `${label} runs ${kernel}`)
  program.write(x, data.x)
  program.write(dy, data.dy)
  program.run()
  const expected = reference(data.x, data.w, data.dy, sizes)
  assertClose(await program.read(y), expected.y, `${label} forward`)
  assertClose(await program.read(dx!), expected.dx, `${label} data gradient`)
  assertClose(await program.read(dw!), expected.dw, `${label} weight gradient`)
  const active = expected.y.map((v) => (v > 0 ? v : 0.1 * v))
  assertClose(await program.read(fused), active, `${label} with an activation`)
  program.destroy()
}

test('sizes that four divides', async () => {
  await check([1, 516, 130], ['dense/reduce_vec4', 'dense/columns_vec4'])
  await check([6, 100, 129], ['dense/reduce_vec4', 'dense/columns_vec4'])
  await check([3, 40, 1026], ['dense/reduce_vec4', 'dense/columns_vec4'])
})

test('a short sum, and sizes that four does not divide', async () => {
  await check([2, 64, 30], ['dense/reduce_vec4', 'dense/columns'])
  await check([2, 131, 140], ['dense/reduce', 'dense/columns'])
})

test.run()
