/** The mask's kernels against the definition: several masks, odd sizes, cells that do not divide the volume, jitter, tissue. */
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type CompileOptions, compile } from '../src/engine/compile.ts'
import { release } from '../src/engine/gpu.ts'
import { input, sizeOf, type Tensor } from '../src/engine/tensor.ts'
import { accumulate, applyMask, gatherCells, maskGradient } from '../src/explain/mask-ops.ts'
import { type MaskState, MaskStatus, maskLeaves, maskState } from '../src/explain/mask-state.ts'
import { assertClose, closeTestGpu, testGpu, values } from './support/evaluate.ts'
import { cellsOf, jitterShift, type Lattice, mixtures, type Triple } from './support/reference/mask-upsample.ts'

const test = suite('mask kernels')
test.after(closeTestGpu)

interface Case {
  readonly size: Triple
  readonly cell: number
  readonly scans: number
  readonly shared: boolean
  readonly jitter: number
  readonly seed: number
  readonly steps: readonly number[]
  readonly tissue: boolean
  /** Replacements are images. */
  readonly whole: boolean
}

const SCANS = 3
const cases: fc.Arbitrary<Case> = fc.record({
  size: fc.tuple(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 11 }), fc.integer({ min: 1, max: 14 })),
  cell: fc.integer({ min: 1, max: 6 }),
  scans: fc.integer({ min: 1, max: SCANS }),
  shared: fc.boolean(),
  jitter: fc.constantFrom(0, 1, 5),
  seed: fc.nat(),
  steps: fc.array(fc.nat({ max: 50 }), { minLength: SCANS, maxLength: SCANS }),
  tissue: fc.boolean(),
  whole: fc.boolean(),
})

const some = { numRuns: 14, seed: 8 } as const

/** Scan with background: every third voxel is 0. */
const scanOf = (count: number) => values(count, 3).map((v, i) => (i % 3 === 0 ? 0 : 0.5 + 0.5 * v))

function statesOf({ size, cell, scans, shared }: Case): MaskState {
  return maskState(size, cell, 10, shared ? 1 : scans)
}

/** Where the mask of each scan lies in its step. The second is not running, so it is not shifted. */
function latticesOf({ size, cell, scans, shared, jitter, seed, steps }: Case): Lattice[] {
  return Array.from({ length: scans }, (_, n) => {
    const entry = shared ? 0 : n
    const shift = [0, 1, 2].map((axis) => (entry === 1 ? 0 : jitterShift(seed, steps[entry]!, axis, jitter)))
    return { size, cell, shift: shift as unknown as Triple }
  })
}

const counterOf = ({ steps }: Case, masks: number) =>
  Uint32Array.from(
    Array.from({ length: masks }, (_, n) => [
      steps[n]!,
      n === 1 ? MaskStatus.settled : MaskStatus.running,
      0,
      0,
    ]).flat(),
  )

async function outputOf(
  tensors: ReadonlyMap<Tensor, Float32Array | Uint32Array>,
  y: Tensor,
  mask: MaskState,
  options: CompileOptions = {},
): Promise<Float32Array> {
  const gpu = await testGpu()
  const program = await compile(gpu, { y }, options)
  for (const [tensor, data] of tensors) program.write(tensor, data)
  program.run()
  const found = await program.read(y)
  program.destroy()
  release(gpu, maskLeaves(mask))
  return found
}

test('masked scans follow the definition, and rows of voxels have the bits of single ones', async () => {
  await fc.assert(
    fc.asyncProperty(cases, async (c) => {
      const mask = statesOf(c)
      const [voxels, cells] = [sizeOf(c.size), sizeOf(cellsOf({ ...c, shift: [0, 0, 0] }))]
      const x = input([c.scans, 1, ...c.size])
      const fill = c.whole ? input(x.shape) : input([1])
      const y = applyMask(x, fill, mask, c, c.tissue)
      const data = scanOf(c.scans * voxels)
      const fills = values(sizeOf(fill.shape), 4)
      const masks = values(2 * mask.masks * cells, 5).map((v) => 0.5 + 0.5 * v)
      const given = new Map<Tensor, Float32Array | Uint32Array>([
        [x, data],
        [fill, fills],
        [mask.mask, masks],
        [mask.counter, counterOf(c, mask.masks)],
      ])
      const expected = latticesOf(c).flatMap((lattice, n) => {
        const entry = c.shared ? 0 : n
        const at = (2 * entry + (c.steps[entry]! % 2)) * cells
        return mixtures(lattice).map((mixed, v) => {
          const i = n * voxels + v
          const m = mixed.reduce((sum, { cell, weight }) => sum + weight * masks[at + cell]!, 0)
          const masked = m * data[i]! + (1 - m) * fills[c.whole ? i : 0]!
          return c.tissue && data[i] === 0 ? 0 : masked
        })
      })
      const variants: Float32Array[] = []
      for (const variant of ['voxels', 'rows']) {
        variants.push(await outputOf(given, y, mask, { variant: () => variant }))
      }
      assertClose(variants[0]!, expected, 'masked', { relative: 1e-5 })
      assert.equal(variants[1], variants[0])
    }),
    some,
  )
})

test('the gradient of the cells is the transpose of upsampling', async () => {
  await fc.assert(
    fc.asyncProperty(cases, async (c) => {
      const mask = statesOf(c)
      const [voxels, cells] = [sizeOf(c.size), sizeOf(cellsOf({ ...c, shift: [0, 0, 0] }))]
      const x = input([c.scans, 1, ...c.size])
      const dy = input(x.shape)
      const fill = c.whole ? input(x.shape) : input([1])
      const y = gatherCells(maskGradient(dy, x, fill, c.tissue), mask, c)
      const data = scanOf(c.scans * voxels)
      const fills = values(sizeOf(fill.shape), 4)
      const arriving = values(c.scans * voxels, 6)
      const given = new Map<Tensor, Float32Array | Uint32Array>([
        [x, data],
        [dy, arriving],
        [fill, fills],
      ])
      // Masks that are voxels which nothing shifts need no counter.
      if (c.cell > 1 || c.jitter > 0) given.set(mask.counter, counterOf(c, mask.masks))
      const expected = new Float64Array(c.scans * cells)
      latticesOf(c).forEach((lattice, n) => {
        mixtures(lattice).forEach((mixed, v) => {
          const i = n * voxels + v
          if (c.tissue && data[i] === 0) return
          const gradient = arriving[i]! * (data[i]! - fills[c.whole ? i : 0]!)
          for (const { cell, weight } of mixed) expected[n * cells + cell]! += weight * gradient
        })
      })
      assertClose(await outputOf(given, y, mask), expected, 'gradient of the cells', { relative: 1e-5 })
    }),
    some,
  )
})

test('sums over a group have the same bits however many rows come at a time', async () => {
  const gpu = await testGpu()
  const [rows, count] = [5, 300]
  const data = values(rows * count, 7)
  const sums: Float32Array[] = []
  for (const batch of [1, 2, 5]) {
    const x = input([batch, count])
    const total = input([count])
    const node = accumulate(x, total, 1 / rows)
    const program = await compile(gpu, {}, { effects: [node] })
    for (let first = 0; first < rows; first += batch) {
      const part = new Float32Array(batch * count).fill(Number.NaN)
      part.set(data.subarray(first * count, (first + batch) * count))
      program.write(x, part)
      program.setUniforms(node, { first: first === 0 ? 1 : 0, used: Math.min(batch, rows - first) })
      program.run()
    }
    sums.push(await program.read(total))
    program.destroy()
  }
  const expected = Array.from({ length: count }, (_, i) =>
    Array.from({ length: rows }, (_, r) => data[r * count + i]! / rows).reduce((a, b) => a + b),
  )
  assertClose(sums[0]!, expected, 'mean of the rows')
  for (const sum of sums.slice(1)) assert.equal(sum, sums[0])
})

test.run()
