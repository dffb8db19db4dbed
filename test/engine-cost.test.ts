/** The cost table counts right, the roofline is what its formula says, and measuring the ceilings leaves nothing behind. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { measureCeilings } from '../src/engine/ceilings.ts'
import { compile } from '../src/engine/compile.ts'
import { type CostRow, costTable, median, predict, totalCost } from '../src/engine/cost.ts'
import { closeGpu, type Gpu } from '../src/engine/gpu.ts'
import { multiply, relu } from '../src/engine/ops/elementwise.ts'
import { linearGroups } from '../src/engine/ops/launch.ts'
import { apply, type Dispatch, input, type Tensor } from '../src/engine/tensor.ts'
import { assertClose, closeTestGpu, testGpu, values } from './support/evaluate.ts'

const test = suite('cost table')
test.after(closeTestGpu)

const COUNT = 4096
const TAPS = 64
const NEEDED = COUNT + (TAPS - 1) * 61

/** The reference kernel as an operation that tells of its flops, and a product of two tensors fused with a ReLU. */
function graph() {
  const [x, w] = [input([NEEDED]), input([TAPS])]
  const lower = ({ outputs }: { outputs: readonly Tensor[] }): Dispatch[] => [
    {
      kernel: 'bench/reference',
      bind: { x, w, y: outputs[0]! },
      groups: linearGroups(COUNT, 64),
      flops: 2 * TAPS * COUNT,
    },
  ]
  const y = apply({ name: 'weighted_sum', lower }, [x, w], [{ shape: [COUNT] }]).outputs[0]!
  const other = input([COUNT])
  return { x, w, y, other, product: relu(multiply(y, other)) }
}

async function tableOf(gpu: Gpu, ceilings?: { bandwidth: number; rate: number }): Promise<CostRow[]> {
  const { product } = graph()
  const program = await compile(gpu, { product })
  const rows = await costTable(program, ceilings, { repetitions: 2 })
  program.destroy()
  return rows
}

test('each dispatch: what it computes, its flops, every operand once', async () => {
  const gpu = await testGpu()
  const [first, second, ...rest] = await tableOf(gpu, { bandwidth: 2, rate: 10 })
  assert.is(rest.length, 0)
  assert.equal([first!.kernel, first!.nodes, first!.shape], ['bench/reference', ['weighted_sum'], `${COUNT}`])
  assert.equal([first!.flops, first!.bytes], [2 * TAPS * COUNT, 4 * (NEEDED + TAPS + COUNT)])
  assert.is(first!.intensity, first!.flops! / first!.bytes)
  assertClose([first!.roofline!], [Math.max(first!.bytes / 2e6, first!.flops! / 10e6)], 'roofline')
  // The second operand of the product is a piece's own: it counts like any other.
  assert.equal([second!.nodes, second!.bytes], [['multiply', 'relu'], 4 * 3 * COUNT])
  assert.equal([second!.flops, second!.intensity], [undefined, undefined], 'nobody counted, so nobody knows')
  assertClose([second!.roofline!], [second!.bytes / 2e6], 'roofline')
})

test('times and shares where there are timestamps, and nothing invented where there are none', async () => {
  const gpu = await testGpu()
  const timed = gpu.features.has('timestamp-query')
  for (const { milliseconds, share, roofline } of await tableOf(gpu, { bandwidth: 2, rate: 10 })) {
    assert.is(milliseconds !== undefined && milliseconds >= 0, timed)
    if (milliseconds) assert.is(share, roofline! / milliseconds)
  }
  const rows = await tableOf({ ...gpu, features: new Set<string>() }, { bandwidth: 2, rate: 10 })
  assert.is(rows.length, 2)
  for (const { milliseconds, share, roofline } of [...rows, totalCost(rows)]) {
    assert.equal([milliseconds, share], [undefined, undefined])
    assert.ok(roofline! > 0)
  }
  const [without] = await tableOf(gpu)
  assert.equal([without!.roofline, without!.share], [undefined, undefined])
})

test('operands bound in segments have the bytes they have', async () => {
  const whole = await tableOf(await testGpu())
  const small = await testGpu({ maxBinding: 12288 })
  const parts = await tableOf(small)
  closeGpu(small)
  assert.equal(
    parts.map(({ bytes }) => bytes),
    whole.map(({ bytes }) => bytes),
  )
})

test('an operand that is bound under two names is one operand', async () => {
  const gpu = await testGpu()
  const x = input([COUNT])
  const program = await compile(gpu, { square: multiply(x, x) })
  const [row] = await costTable(program)
  program.destroy()
  assert.is(row!.bytes, 4 * 2 * COUNT)
})

test('totals and predictions from rows', () => {
  const row = (flops: number | undefined, bytes: number, milliseconds: number, roofline: number) =>
    ({ flops, bytes, milliseconds, roofline }) as CostRow
  const rows = [row(8e9, 1e6, 4, 2), row(undefined, 6e6, 1, 0.5)]
  const total = totalCost(rows)
  assert.equal(
    [total.flops, total.bytes, total.milliseconds, total.roofline, total.share, total.intensity],
    [8e9, 7e6, 5, 2.5, 0.5, 8e9 / 7e6],
  )
  // 1 ms to move 1 MB at 1 GB/s, 4 ms to compute 8 GFLOP at 2 TFLOP/s; 6 ms to move 6 MB.
  assert.equal(predict(rows, { bandwidth: 1, rate: 2000 }), { milliseconds: 10, rows: [4, 6] })
  assert.equal(predict(rows, { bandwidth: 1, rate: 2000 }, 0.5).milliseconds, 20)
  const nothing = totalCost([])
  assert.equal([nothing.flops, nothing.bytes, nothing.milliseconds], [undefined, 0, undefined])
  assert.equal([median([3, 1, 2]), median([4, 1])], [2, 2.5])
})

test('ceilings are measured, and nothing stays on the GPU', async () => {
  const gpu = await testGpu()
  const before = gpu.counters.bytes
  const { bandwidth, rate, halfRate } = await measureCeilings(gpu)
  for (const measured of [bandwidth, rate, halfRate ?? 1]) assert.ok(measured > 0 && Number.isFinite(measured))
  assert.is(halfRate !== undefined, gpu.features.has('shader-f16'))
  assert.is(gpu.counters.bytes, before)
})

test('the kernels that measure compute what they say', async () => {
  const gpu = await testGpu()
  const run = async (inputs: Float32Array[], size: number, dispatch: (x: Tensor[], y: Tensor) => Dispatch) => {
    const tensors = inputs.map((data) => input([data.length]))
    const lower = ({ outputs }: { outputs: readonly Tensor[] }) => [dispatch(tensors, outputs[0]!)]
    const y = apply({ name: 'made_up', lower }, tensors, [{ shape: [size] }]).outputs[0]!
    const program = await compile(gpu, { y })
    for (const [k, t] of tensors.entries()) program.write(t, inputs[k]!)
    program.run()
    const found = await program.read(y)
    program.destroy()
    return found
  }
  const list = values(2048, 1)
  const copied = await run([list], 2048, ([x], y) => ({ kernel: 'bench/copy', bind: { x: x!, y }, groups: [2, 1, 1] }))
  assert.equal(copied, list)
  const rounds = { ROUNDS: 3, CHAINS: 2, DEPTH: 2 }
  const factors = new Float32Array([0.5, 1])
  const settled = await run([factors], 64, ([x], y) => ({
    kernel: 'bench/multiply_add',
    constants: rounds,
    bind: { x: x!, y },
    groups: [1, 1, 1],
  }))
  // Two chains of four values v, six times v / 2 + 1: v / 64 + 2 (1 - 1 / 64).
  const expected = Array.from({ length: 64 }, (_, lane) => (2 * (lane + 6) + 4) / 64 + 8 * 2 * (1 - 1 / 64))
  assertClose(settled, expected, 'multiply-adds')
  const [x, w] = [values(64 + 63 * 61, 3), values(64, 4)]
  const sums = await run([x, w], 64, ([x, w], y) => ({
    kernel: 'bench/reference',
    bind: { x: x!, w: w!, y },
    groups: [1, 1, 1],
  }))
  const plain = Array.from({ length: 64 }, (_, i) => w.reduce((sum, weight, k) => sum + weight * x[i + 61 * k]!, 0))
  assertClose(sums, plain, 'reference')
})

test.run()
