/** Tuning: which variants are measured, which wins, and that a program gives the same bits whatever was chosen. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { compile } from '../src/engine/compile.ts'
import { GpuError } from '../src/engine/errors.ts'
import { closeGpu, type Gpu, openGpu, release } from '../src/engine/gpu.ts'
import { conv3d } from '../src/engine/ops/conv.ts'
import { convWeightGradient } from '../src/engine/ops/conv-weight.ts'
import { affine, relu } from '../src/engine/ops/elementwise.ts'
import { choiceKey, planProgram } from '../src/engine/plan.ts'
import { shaders } from '../src/engine/shaders.gen.ts'
import {
  apply,
  type Choice,
  type Dispatch,
  input,
  type Operation,
  parameter,
  sizeOf,
  type Tensor,
} from '../src/engine/tensor.ts'
import { type TunedChoice, tune } from '../src/engine/tune.ts'
import { isolateStep } from '../src/engine/tune-alone.ts'
import { indexedDbTuneStore } from '../src/engine/tune-store.browser.ts'
import { values } from './support/evaluate.ts'

const test = suite('tune')

// What is measured here is of no use to anyone else. (A page starts with an empty database, and takes it along.)
if (typeof process !== 'undefined') process.env.VOXPLAIN_CACHE = 'off'

/** A GPU that has measured nothing yet. */
let opened: Promise<Gpu> | undefined
async function freshGpu(): Promise<Gpu> {
  opened ??= openGpu()
  const gpu = await opened
  gpu.tuning.clear()
  return gpu
}
test.after(async () => {
  if (opened) closeGpu(await opened)
})

// y = x + 1 where SPIN steps of work change nothing, which no compiler can know.
shaders['test/spin'] = [
  'const COUNT: u32 = 1u;',
  'const SPIN: u32 = 0u;',
  '@group(0) @binding(0) var<storage, read> x: array<f32>;',
  '@group(0) @binding(1) var<storage, read_write> y: array<f32>;',
  '//@slot epilogue',
  'fn epilogue(v: f32, i: u32) -> f32 { return v; }',
  '//@end',
  '@compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) {',
  '  if (id.x >= COUNT) { return; }',
  '  var v = x[id.x];',
  '  for (var k = 0u; k < SPIN; k++) { v = select(v, v * 1.5, x[(id.x + k) % COUNT] < -1e30); }',
  '  y[id.x] = epilogue(v + 1.0, id.x);',
  '}',
].join('\n')
shaders['test/closed'] = shaders['test/spin']
  .replace(/\/\/@slot[\s\S]*\/\/@end\n/, '')
  .replace('epilogue(v + 1.0, id.x)', 'v + 1.0')
shaders['test/broken'] = shaders['test/spin'].replace('v + 1.0', 'v + 1u')

type Variants = Readonly<Record<string, { kernel?: string; spin?: number; groups?: number }>>

/** x + 1, lowered by one of several kernels. */
function plusOne(x: Tensor, variants: Variants, preferred: string, key = `${x.shape}`): Tensor {
  const COUNT = sizeOf(x.shape)
  const operation: Operation = {
    name: 'plus_one',
    lower: ({ outputs: [y] }, context) => {
      const ways = Object.entries(variants).map(([name, { kernel = 'test/spin', spin = 0, groups }]) => {
        const grid = [groups ?? Math.ceil(COUNT / 64), 1, 1] as const
        return [
          name,
          (): Dispatch[] => [
            { kernel, constants: { COUNT, SPIN: spin }, bind: { x, y: y! }, groups: grid, flops: COUNT },
          ],
        ] as const
      })
      return context.choose('plus_one', key, Object.fromEntries(ways), preferred)
    },
  }
  return apply(operation, [x], [{ shape: x.shape }]).outputs[0]!
}

const quickAndSlow: Variants = { slow: { spin: 4000 }, quick: {} }
const count = 1024

const timeOf = ({ times }: TunedChoice, variant: string) => times.find((t) => t.variant === variant)?.milliseconds

test('the fastest variant is found, remembered and used, and the bits stay', async () => {
  const gpu = await freshGpu()
  const x = input([count])
  const y = relu(plusOne(x, quickAndSlow, 'slow'))
  const run = async () => {
    const program = await compile(gpu, { y })
    program.write(x, values(count))
    program.run()
    const spins = program.launches.map((l) => l.dispatch.constants?.SPIN)
    const result = { spins, y: await program.read(y), launches: program.launches.length }
    program.destroy()
    return result
  }
  const before = await run()
  assert.equal(before.spins, [4000])
  const { bytes } = gpu.counters
  const { choices } = await tune(gpu, [y])
  assert.is(gpu.counters.bytes, bytes)
  assert.is(choices.length, 1)
  const [tuned] = choices as [TunedChoice]
  assert.is(tuned.winner, 'quick')
  assert.is(tuned.how, 'measured')
  assert.is(gpu.tuning.get(choiceKey(tuned.choice)), 'quick')
  assert.ok(timeOf(tuned, 'slow')! > 2 * timeOf(tuned, 'quick')!, JSON.stringify(tuned.times))
  const after = await run()
  assert.equal(after, { ...before, spins: [0] })
})

test('what is known is not measured again, unless asked', async () => {
  const gpu = await freshGpu()
  const y = plusOne(input([count]), quickAndSlow, 'slow')
  const { choice } = (await tune(gpu, [y])).choices[0]!
  const [known] = (await tune(gpu, [y])).choices
  assert.equal(known, { choice, nodes: 1, winner: 'quick', how: 'known', times: [] })
  gpu.tuning.set(choiceKey(choice), 'a variant of another version')
  assert.is((await tune(gpu, [y])).choices[0]!.how, 'measured')
  gpu.tuning.set(choiceKey(choice), 'slow')
  assert.is((await tune(gpu, [y], { again: true })).choices[0]!.winner, 'quick')
})

test('nodes with equal shapes are one question; one variant, or one that the caller wants, is none', async () => {
  const gpu = await freshGpu()
  const twice = plusOne(plusOne(input([count]), quickAndSlow, 'slow'), quickAndSlow, 'slow')
  const { choices } = await tune(gpu, [twice])
  assert.equal(
    choices.map((c) => c.nodes),
    [2],
  )
  assert.equal((await tune(gpu, [plusOne(input([8]), { only: {} }, 'only')])).choices, [])
  const other = plusOne(input([8]), quickAndSlow, 'slow')
  assert.equal((await tune(gpu, [other], { variant: () => 'slow' })).choices, [])
  assert.is((await tune(gpu, [other], { variant: () => 'unknown' })).choices.length, 1)
})

test('what the caller asks for goes before what was measured', async () => {
  const gpu = await freshGpu()
  const y = plusOne(input([count]), quickAndSlow, 'slow')
  const spin = (variant?: (c: Choice) => string | undefined) =>
    planProgram(gpu, [y], { variant }).steps[0]!.dispatches[0]!.constants!.SPIN
  assert.is(spin(), 4000)
  gpu.tuning.set(`plus_one ${count}`, 'quick')
  assert.is(spin(), 0)
  assert.is(
    spin(() => 'slow'),
    4000,
  )
  assert.is(
    spin(() => undefined),
    0,
  )
})

test('a variant that does not compile or run is never chosen', async () => {
  const gpu = await freshGpu()
  const variants: Variants = { broken: { kernel: 'test/broken' }, huge: { groups: 1e6 }, slow: { spin: 4000 } }
  for (const preferred of ['broken', 'slow']) {
    gpu.tuning.clear()
    const [tuned] = (await tune(gpu, [plusOne(input([count]), variants, preferred)])).choices as [TunedChoice]
    assert.is(tuned.winner, 'slow')
    const errors = Object.fromEntries(tuned.times.map((t) => [t.variant, t.error]))
    assert.match(errors.broken!, /test\/broken .* does not compile/)
    assert.match(errors.huge!, /1000000 workgroups/)
    assert.is(errors.slow, undefined)
  }
  const none: Variants = { broken: { kernel: 'test/broken' }, huge: { groups: 1e6 } }
  const [tuned] = (await tune(gpu, [plusOne(input([9]), none, 'huge')])).choices as [TunedChoice]
  assert.equal([tuned.how, tuned.winner, gpu.tuning.get('plus_one 9')], ['undecided', 'huge', undefined])
})

test('when the time is up nothing is begun, and the preferred variant stays', async () => {
  const gpu = await freshGpu()
  const y = plusOne(input([count]), quickAndSlow, 'slow')
  const { choices } = await tune(gpu, [y], { budget: -1 })
  assert.equal([choices[0]!.how, choices[0]!.winner, choices[0]!.times.length], ['undecided', 'slow', 0])
  assert.is(gpu.tuning.size, 0)
})

test('what a variant leaves to other steps is part of its work', async () => {
  const gpu = await freshGpu()
  const variants: Variants = { open: {}, closed: { kernel: 'test/closed' } }
  const y = affine(relu(plusOne(input([count]), variants, 'open')), 2)
  const plan = planProgram(gpu, [y])
  assert.is(plan.steps.length, 1)
  const alone = isolateStep(gpu, [y], {}, plan.steps[0]!.choices[0]!)!
  const kernels: string[][] = []
  for (const variant of ['open', 'closed']) {
    const program = await alone.compile(variant)
    kernels.push(program.launches.map((l) => l.kernel))
    program.destroy()
  }
  assert.equal(kernels, [['test/spin'], ['test/closed', 'elementwise/map']])
  release(gpu, alone.operands.values())
  assert.is(await sameBits(gpu, [y]), 2)
})

test('the most work comes first', async () => {
  const gpu = await freshGpu()
  const sizes = [64, 4096, 512]
  const outputs = sizes.map((n) => plusOne(input([n]), quickAndSlow, 'slow'))
  const seen: string[] = []
  await tune(gpu, outputs, {
    budget: -1,
    onProgress: (c, done, total) => seen.push(`${c.choice.key} ${done}/${total}`),
  })
  assert.equal(seen, ['4096 1/3', '512 2/3', '64 3/3'])
})

test('compile measures on request', async () => {
  const gpu = await freshGpu()
  const y = plusOne(input([count]), quickAndSlow, 'slow')
  const program = await compile(gpu, { y }, { tune })
  assert.is(program.launches[0]!.dispatch.constants!.SPIN, 0)
  program.destroy()
})

test('a fast variant that needs too much memory gives way to the preferred one', async () => {
  const gpu = await freshGpu()
  const x = input([count])
  const copy = (from: Tensor, to: Tensor): Dispatch => ({
    kernel: 'test/spin',
    constants: { COUNT: count },
    bind: { x: from, y: to },
    groups: [count / 64, 1, 1],
  })
  const operation: Operation = {
    name: 'through',
    lower: ({ outputs: [y] }, context) => {
      const direct = () => [copy(x, y!)]
      const detour = () => {
        const between = context.scratch([4 * count])
        return [copy(x, between), copy(between, y!)]
      }
      return context.choose('through', '', { direct, detour }, 'direct')
    },
  }
  const y = apply(operation, [x], [{ shape: [count] }]).outputs[0]!
  const lean = planProgram(gpu, [y]).memory.total
  gpu.tuning.set('through ', 'detour')
  assert.is(planProgram(gpu, [y]).memory.total, lean + 16 * count)
  assert.is(planProgram(gpu, [y], { memoryLimit: lean }).memory.total, lean)
})

test('a lost device ends the tuning', async () => {
  const gpu = await openGpu()
  gpu.tuning.clear()
  gpu.device.destroy()
  await gpu.device.lost
  try {
    await tune(gpu, [plusOne(input([count]), quickAndSlow, 'slow')])
    assert.unreachable()
  } catch (error) {
    assert.ok(error instanceof GpuError && error.kind === 'lost', String(error))
  }
})

if (typeof indexedDB !== 'undefined') {
  test('a page remembers, and takes winners among older kernels for nothing', async () => {
    const gpu = await freshGpu()
    await tune(gpu, [plusOne(input([77]), quickAndSlow, 'slow')])
    const next = await openGpu()
    assert.is(next.tuning.get('plus_one 77'), 'quick')
    closeGpu(next)
    const older = { ...gpu.tunedAt, kernels: 'older' }
    assert.equal(await indexedDbTuneStore.load(older), {})
    await indexedDbTuneStore.save(gpu.tunedAt, { other: 'way' })
    const { other, 'plus_one 77': plus } = await indexedDbTuneStore.load(gpu.tunedAt)
    assert.equal([other, plus], ['way', 'quick'])
  })
}

/** Runs every variant of every choice by itself, and compares what all of them leave in memory. Returns how many. */
async function sameBits(gpu: Gpu, outputs: readonly Tensor[]): Promise<number> {
  let compared = 0
  const choices = planProgram(gpu, outputs).steps.flatMap((step) => step.choices)
  for (const choice of choices) {
    const alone = isolateStep(gpu, outputs, {}, choice)!
    const run = async (variant: string, operands: readonly Tensor[]) => {
      const program = await alone.compile(variant)
      const all = operands.length > 0 ? operands : [...alone.operands.values()]
      for (const t of all) program.write(t, t.leaf!.data!)
      program.run()
      const left: Uint32Array[] = []
      for (const t of all) left.push(await program.readIndices(t))
      program.destroy()
      return { all, left }
    }
    const { all, left } = await run(choice.preferred, [])
    const before = all.map((t) => new Uint32Array(t.leaf!.data!.buffer))
    assert.not.equal(left, before, `${choice.name} writes nothing`)
    for (const variant of choice.variants) {
      const other = await run(variant, all)
      assert.equal(other.left, left, `${choice.name} ${choice.key}: ${variant}`)
      compared++
    }
    release(gpu, alone.operands.values())
  }
  return compared
}

test('all variants give the same bits', async () => {
  const gpu = await freshGpu()
  assert.is(await sameBits(gpu, [affine(plusOne(input([100]), quickAndSlow, 'slow'), 2)]), 2)
  const shapes = [
    { x: [2, 3, 6, 7, 9], w: [5, 3, 3, 3, 3], padding: 1 },
    { x: [1, 1, 8, 9, 10], w: [8, 1, 3, 3, 3], padding: 1 },
    { x: [1, 8, 4, 5, 4], w: [16, 8, 3, 3, 3], padding: 0 },
    { x: [2, 6, 5, 4, 6], w: [4, 6, 2, 1, 3], padding: 1 },
  ]
  let compared = 0
  for (const { x, w, padding } of shapes) {
    const options = { padding, stride: 1 }
    const y = conv3d(input(x), parameter(w, values(sizeOf(w))), options)
    const geometry = { stride: [1, 1, 1], dilation: [1, 1, 1], front: [padding, padding, padding], groups: 1 } as const
    const dw = convWeightGradient(input(x), input(y.shape), w, { ...geometry, back: geometry.front })
    // Kernels for hardware run on every adapter, if slowly.
    for (const software of [true, false]) compared += await sameBits({ ...gpu, software }, [y, dw])
  }
  console.log(`${compared} variants of convolutions compared`)
})

test.run()
