/** Runs that compute only what changed give the bits of runs that compute everything. */
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { backward } from '../src/engine/backward.ts'
import { compile } from '../src/engine/compile.ts'
import { release } from '../src/engine/gpu.ts'
import { liveTasks } from '../src/engine/live.ts'
import { conv3d } from '../src/engine/ops/conv.ts'
import { add, channelShift, leakyRelu, multiply, relu } from '../src/engine/ops/elementwise.ts'
import { avgPool3d, globalAvgPool, maxPool3d } from '../src/engine/ops/pool.ts'
import { sum } from '../src/engine/ops/reduce.ts'
import { concat } from '../src/engine/ops/shape.ts'
import { input, parameter, sizeOf, type Tensor } from '../src/engine/tensor.ts'
import { closeTestGpu, testGpu, values } from './support/evaluate.ts'

const test = suite('live')

/** A network of blocks, of which a seed picks the kind, the strides and the padding. */
function network(x: Tensor, choices: readonly number[]): Tensor {
  let now = x
  choices.forEach((choice, k) => {
    const channels = 2 + (choice % 3)
    const w = parameter([channels, now.shape[1]!, 3, 3, 3], values(channels * now.shape[1]! * 27, k + 1), 'w')
    const shift = parameter([channels], values(channels, k + 50), 'shift')
    const least = Math.min(...now.shape.slice(2))
    const stride = choice % 5 === 4 && least > 5 ? 2 : 1
    const dilation = choice % 7 === 6 ? 2 : 1
    const made = conv3d(now, w, { padding: dilation, stride, dilation })
    const active = choice % 2 ? relu(channelShift(made, shift)) : leakyRelu(channelShift(made, shift), 0.1)
    const pooled = Math.min(...active.shape.slice(2)) > 3
    if (!pooled || choice % 4 === 3) now = add(active, made)
    else if (choice % 4 === 2) now = avgPool3d(active, { kernel: 2 })
    else now = maxPool3d(active, { kernel: 2, padding: choice % 3 === 0 ? { front: 1, back: 0 } : 0, padValue: 'zero' })
    if (choice % 11 === 10) now = concat([now, now], 1)
  })
  return globalAvgPool(now)
}

const cases = fc.record({
  scans: fc.integer({ min: 1, max: 2 }),
  size: fc.tuple(fc.integer({ min: 7, max: 14 }), fc.integer({ min: 7, max: 14 }), fc.integer({ min: 7, max: 20 })),
  choices: fc.array(fc.nat(1000), { minLength: 1, maxLength: 3 }),
  /** Corner and edge of the box that changes, as shares. */
  box: fc.tuple(fc.nat(100), fc.nat(100), fc.nat(100), fc.integer({ min: 10, max: 50 })),
})

test('outputs and the gradient of what is live', async () => {
  const gpu = await testGpu()
  let skipped = 0
  let all = 0
  await fc.assert(
    fc.asyncProperty(cases, async ({ scans, size, choices, box }) => {
      const shape = [scans, 1, ...size]
      const x = input(shape)
      const score = sum(network(x, choices))
      const [dx] = backward(score, [x])
      const flags = new Uint8Array(sizeOf(shape))
      const [d, h, w] = size
      for (let i = 0; i < flags.length; i++) {
        const at = [Math.floor(i / (h * w)) % d, Math.floor(i / w) % h, i % w]
        const inside = at.every((v, a) => Math.abs(v - (box[a]! / 100) * size[a]!) <= (box[3] / 100) * size[a]!)
        // The second scan changes in one voxel only.
        flags[i] = i < d * h * w ? Number(inside) : Number(i === d * h * w + 3)
      }
      const before = values(flags.length, 3)
      const after = before.map((v, i) => (flags[i] ? v * -1.5 + 0.3 : v))
      const live = await compile(gpu, { score, dx: dx! }, { frozen: true, live: x })
      const dense = await compile(gpu, { score, dx: dx! }, { frozen: true })
      live.write(x, before)
      live.run()
      live.setLive(flags)
      live.write(x, after)
      live.run()
      dense.write(x, after)
      dense.run()
      assert.is((await live.read(score))[0], (await dense.read(score))[0])
      const [found, wanted] = [await live.read(dx!), await dense.read(dx!)]
      flags.forEach((flag, i) => {
        if (flag) assert.is(found[i], wanted[i], `gradient at ${i}`)
      })
      // Everything again.
      live.setLive()
      live.write(x, before)
      live.run()
      dense.write(x, before)
      dense.run()
      assert.equal(await live.read(dx!), await dense.read(dx!))
      const lists = live.launches.flatMap(({ dispatch }) => (dispatch.bind.tasks ? [dispatch] : []))
      live.setLive(flags)
      for (const { bind } of lists) {
        const list = await live.readIndices(bind.tasks!)
        all += list.length - 1
        skipped += list.length - 1 - list[0]!
      }
      live.destroy()
      dense.destroy()
      release(gpu, [...gpu.resident.keys()])
    }),
    { seed: 11, numRuns: 12 },
  )
  // On adapters that take other kernels nothing is left out.
  if (gpu.software) assert.ok(skipped > all / 10, `${skipped} of ${all} threads were left out`)
})

test('what is made of the gradient stays where nothing is live', async () => {
  const gpu = await testGpu()
  const shape = [1, 1, 12, 12, 12]
  const x = input(shape)
  const weight = input(shape)
  const w = parameter([2, 1, 3, 3, 3], values(54, 1), 'w')
  const score = sum(maxPool3d(relu(conv3d(x, w, { padding: 1 })), { kernel: 2 }))
  // As a mask's gradient is: zero but where it is live, and summed over all places.
  const total = sum(multiply(backward(score, [x])[0]!, weight), [2, 3])
  const flags = new Uint8Array(12 ** 3).map((_, i) => Number(i % 12 < 3 && i < 5 * 144))
  const before = values(flags.length, 3)
  const live = await compile(gpu, { total }, { frozen: true, live: x })
  const dense = await compile(gpu, { total }, { frozen: true })
  for (const program of [live, dense]) {
    program.write(weight, Float32Array.from(flags))
    program.write(x, before)
    program.run()
    program.setLive(flags)
    program.write(
      x,
      before.map((v, i) => (flags[i] ? v * -1.5 + 0.3 : v)),
    )
    // Twice, so that memory shared with other temporaries would have been written to.
    program.run(2)
  }
  assert.equal(await live.read(total), await dense.read(total))
  if (gpu.software) {
    const made = live.launches.find(({ nodes }) => nodes.some(({ operation }) => operation.name === 'multiply'))!
    const list = await live.readIndices(made.dispatch.bind.tasks!)
    assert.ok(list[0]! < list.length - 1, `${list[0]} of ${list.length - 1} threads run`)
  }
  // Nothing live: nothing runs, and everything stays.
  live.setLive(new Uint8Array(flags.length))
  live.run()
  assert.equal(await live.read(total), await dense.read(total))
  live.destroy()
  dense.destroy()
})

test('threads of live tiles', () => {
  const grid = { scans: 2, blocks: 2, size: [1, 4, 5], tile: [1, 2, 2], last: [0, 2, 3] } as const
  assert.equal([...liveTasks(grid, undefined)], [24, ...Array(24).keys()])
  const flags = new Uint8Array(40)
  // Row 3, column 3 of the first scan: tiles 4 (columns 2, 3) and 5, which begins at 3 as well, of the second band.
  flags[3 * 5 + 3] = 1
  assert.equal([...liveTasks(grid, { size: [2, 1, 4, 5], flags })].slice(0, 5), [4, 4, 5, 10, 11])
})

test('a wrong number of voxels', async () => {
  const x = input([1, 1, 4, 4, 4])
  const y = relu(x)
  const gpu = await testGpu()
  const program = await compile(gpu, { y }, { live: x })
  if (gpu.software) assert.throws(() => program.setLive(new Uint8Array(3)), /has 64 voxels, got 3/)
  program.destroy()
})

test.after(closeTestGpu)
test.run()
