/** Augmentation on the GPU: what it does to a scan, what it draws, and that it draws the same again. */
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { compile } from '../src/engine/compile.ts'
import { ShapeError } from '../src/engine/errors.ts'
import { type AugmentOptions, augment } from '../src/engine/ops/augment.ts'
import { advance, dropoutSeed } from '../src/engine/ops/dropout.ts'
import { affine } from '../src/engine/ops/elementwise.ts'
import { input, parameter } from '../src/engine/tensor.ts'
import { assertClose, closeTestGpu, testGpu, values } from './support/evaluate.ts'
import { augmentScan, drawsOf } from './support/reference/augment.ts'

const test = suite('augmentation')
test.after(closeTestGpu)

type Shape = readonly [number, number, number, number, number]
type Changes = Omit<AugmentOptions, 'seed' | 'scans'>

interface RunOptions {
  seed?: number
  /** Steps already done when the program starts. */
  step?: number
  steps?: number
  frozen?: boolean
}

/** The batch after each step. */
async function run(
  shape: Shape,
  data: Float32Array,
  scans: readonly number[],
  changes: Changes,
  options: RunOptions = {},
) {
  const gpu = await testGpu()
  const { seed: number = 5, step = 0, steps = 1, frozen } = options
  const seed = step ? parameter([2], Uint32Array.of(number, step), 'seed') : dropoutSeed(number)
  const x = input(shape)
  const which = input([shape[0]], 'scans', 'u32')
  // Something rides on it, as the first layer may.
  const y = affine(augment(x, { seed, scans: which, ...changes }), 1, 0)
  const program = await compile(gpu, { y }, { effects: [advance(seed)], frozen })
  program.write(x, data)
  if (program.inputs.includes(which)) program.write(which, Uint32Array.from(scans))
  const found: Float32Array[] = []
  for (let k = 0; k < steps; k++) {
    program.run()
    found.push(await program.read(y))
  }
  program.destroy()
  return found
}

const sizeOf = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1)

test('agrees with its definition for every combination of changes', async () => {
  const cases = fc.record({
    batch: fc.integer({ min: 1, max: 3 }),
    channels: fc.integer({ min: 1, max: 2 }),
    size: fc.tuple(...[0, 1, 2].map(() => fc.integer({ min: 3, max: 11 }))),
    flip: fc.constantFrom(undefined, 0, 1, 2),
    shift: fc.tuple(...[0, 1, 2].map(() => fc.integer({ min: 0, max: 2 }))),
    noise: fc.constantFrom(0, 0.3),
    smoothing: fc.constantFrom(0, 0.7, 1.5),
    seed: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
    step: fc.nat(1000),
  })
  await fc.assert(
    fc.asyncProperty(cases, async (c) => {
      const size = c.size as unknown as [number, number, number]
      const shape: Shape = [c.batch, c.channels, ...size]
      const each = c.channels * sizeOf(size)
      const data = values(c.batch * each, 3)
      const scans = Array.from({ length: c.batch }, (_, n) => 7 + 5 * n)
      const { flip, shift, noise, smoothing } = c
      // WGSL's cos may be off by 2^-11.
      const absolute = noise > 0 ? 1e-3 : 1e-5
      const [actual] = await run(shape, data, scans, { flip: flip as 0, shift, noise, smoothing }, c)
      scans.forEach((scan, n) => {
        const own = data.subarray(n * each, (n + 1) * each)
        const expected = augmentScan({ flip, shift, noise, smoothing }, own, c.channels, size, scan, [c.seed, c.step])
        assertClose(actual!.subarray(n * each, (n + 1) * each), expected, `scan ${scan}`, { absolute })
      })
    }),
    { seed: 11, numRuns: 15 },
  )
})

const shape: Shape = [4, 1, 6, 5, 7]
const data = values(sizeOf(shape), 1)
const all: Changes = { flip: 2, shift: 2, noise: 0.1, smoothing: 1 }

test('a scan is drawn by its number and the step alone, whatever its place, and a resumed run draws on', async () => {
  const through = await run(shape, data, [0, 1, 2, 3], all, { steps: 4 })
  assert.equal(await run(shape, data, [0, 1, 2, 3], all, { steps: 4 }), through)
  assert.equal(await run(shape, data, [0, 1, 2, 3], all, { step: 2, steps: 2 }), through.slice(2))
  assert.equal(await run(shape, data, [0, 1, 2, 3], all, { steps: 2, frozen: true }), through.slice(0, 2))
  const each = sizeOf(shape) / 4
  const reversed = Float32Array.from(data, (_, i) => data[(3 - Math.floor(i / each)) * each + (i % each)]!)
  const [back] = await run(shape, reversed, [3, 2, 1, 0], all)
  for (let n = 0; n < 4; n++) {
    assert.equal(back!.subarray((3 - n) * each, (4 - n) * each), through[0]!.subarray(n * each, (n + 1) * each))
  }
  for (let k = 1; k < 4; k++) assert.not.equal(through[k], through[0])
  assert.not.equal((await run(shape, data, [0, 1, 2, 3], all, { seed: 6 }))[0], through[0])
})

test('without numbers, scans are drawn by their places', async () => {
  const gpu = await testGpu()
  const x = input(shape)
  const y = augment(x, { seed: dropoutSeed(5), ...all })
  const program = await compile(gpu, { y }, { frozen: true })
  program.write(x, data)
  program.run()
  assert.equal([await program.read(y)], await run(shape, data, [0, 1, 2, 3], all))
  program.destroy()
})

test('half of the scans are mirrored, shifts are uniform, and noise is normal with the deviation of its scan', async () => {
  const count = 4000
  const c = { flip: 1, shift: [2, 0, 3], noise: 0.5, smoothing: 0 }
  const draws = Array.from({ length: count }, (_, scan) => drawsOf(c, scan, [9, 3]))
  const share = (holds: (d: (typeof draws)[number]) => boolean) => draws.filter(holds).length / count
  const near = (p: number, expected: number) =>
    Math.abs(p - expected) < 5 * Math.sqrt((expected * (1 - expected)) / count)
  assert.ok(
    near(
      share((d) => d.flipped),
      0.5,
    ),
  )
  for (let s = -2; s <= 2; s++)
    assert.ok(
      near(
        share((d) => d.shift[0] === s),
        1 / 5,
      ),
      `shift ${s}`,
    )
  for (let s = -3; s <= 3; s++)
    assert.ok(
      near(
        share((d) => d.shift[2] === s && d.flipped),
        1 / 14,
      ),
      `shift ${s}, mirrored`,
    )
  assert.ok(
    near(
      share((d) => d.deviation < 0.25),
      0.5,
    ),
  )
  // The GPU's own noise: one scan of zeros.
  const size: Shape = [2, 1, 32, 32, 32]
  const voxels = 32 ** 3
  const [noise] = await run(size, new Float32Array(2 * voxels), [0, 1], { noise: 0.5 }, { seed: 9, step: 3 })
  const parts = [0, 1].map((n) => noise!.subarray(n * voxels, (n + 1) * voxels))
  parts.forEach((part, n) => {
    const { deviation } = draws[n]!
    const moment = (power: number) => part.reduce((sum, v) => sum + (v / deviation) ** power, 0) / voxels
    // Five standard errors of the moments of a normal distribution: 0, 1, 0, 3.
    const wanted = [0, 1, 0, 3]
    const spread = [1, 2, 15, 96].map((v) => 5 * Math.sqrt(v / voxels))
    wanted.forEach((m, k) => {
      assert.ok(Math.abs(moment(k + 1) - m) < spread[k]!, `moment ${k + 1} is ${moment(k + 1)}`)
    })
    for (const distance of [1, 32, 1024]) {
      let sum = 0
      for (let i = distance; i < voxels; i++) sum += (part[i]! * part[i - distance]!) / deviation ** 2
      assert.ok(Math.abs(sum / voxels) < 5 / Math.sqrt(voxels), `neighbours at ${distance}`)
    }
  })
  const product =
    parts[0]!.reduce((sum, v, i) => sum + v * parts[1]![i]!, 0) / draws[0]!.deviation / draws[1]!.deviation
  assert.ok(Math.abs(product / voxels) < 5 / Math.sqrt(voxels), 'scans are independent')
})

test('nothing to do is x itself, and options that do not fit are refused', () => {
  const x = input([2, 1, 4, 4, 4])
  const seed = dropoutSeed(1)
  const scans = input([2], 'scans', 'u32')
  assert.is(augment(x, { seed, scans }), x)
  const rejects = (options: object, pattern: RegExp) =>
    assert.throws(
      () => augment(x, { seed, scans, ...options }),
      (error: Error) => error instanceof ShapeError && pattern.test(error.message),
    )
  rejects({ shift: 4 }, /shifts \[4,4,4\]/)
  rejects({ shift: [1, 1] }, /shifts/)
  rejects({ shift: 0.5 }, /whole numbers/)
  rejects({ flip: 3 }, /flip must be 0 \(D\), 1 \(H\) or 2 \(W\), got 3/)
  rejects({ noise: -1 }, /noise -1/)
  rejects({ smoothing: Number.NaN }, /smoothing NaN/)
  rejects({ scans: input([3], 'scans', 'u32') }, /scans must be u32 \[2\], got u32 3/)
  rejects({ seed: input([2]) }, /seed must be a u32 leaf/)
  assert.throws(
    () => augment(input([2, 1, 4, 4]), { seed, scans }),
    (error: Error) => error instanceof ShapeError && /must be \[N, C, D, H, W\], got 2x1x4x4/.test(error.message),
  )
})

test.run()
