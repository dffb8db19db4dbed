/** voxplain bench: what it computes, compares, prints and refuses. Timings are never asserted. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { reportWrong } from '../src/cli/bench-conv.ts'
import { costLines } from '../src/cli/bench-cost.ts'
import { type ConvProblem, convProducts, convReference, PASSES } from '../src/cli/bench-reference.ts'
import { benchVariants, type Work } from '../src/cli/bench-variants.ts'
import { makeReporter } from '../src/cli/terminal.ts'
import type { CostRow } from '../src/engine/cost.ts'
import { convGeometry } from '../src/engine/ops/conv.ts'
import { affine } from '../src/engine/ops/elementwise.ts'
import { linearGroups } from '../src/engine/ops/launch.ts'
import { apply, type Dispatch, input, type Operation, sizeOf, type Tensor } from '../src/engine/tensor.ts'
import { InputError } from '../src/io/errors.ts'
import { assertRefused, makePlace, type Place, SIZE, voxplain } from './support/cli.ts'
import { assertClose, closeTestGpu, testGpu, values } from './support/evaluate.ts'
import { type ConvCase, convData, convForward, convOutput, convWeight } from './support/reference/conv.ts'

const test = suite('bench command')
let place: Place
test.before(async () => {
  place = await makePlace()
})
test.after(() => place.clear())
test.after(closeTestGpu)

const QUICK = ['--repetitions', '1', '--seconds', '0'] as const

test('the float64 reference is the definition, whatever the geometry', () => {
  const c: ConvCase = {
    n: 2,
    channels: 4,
    outputs: 6,
    groups: 2,
    size: [5, 7, 6],
    kernel: [3, 1, 2],
    stride: [2, 1, 3],
    dilation: [1, 2, 2],
    front: [1, 0, 2],
    back: [1, 0, 2],
  }
  const { stride, dilation, front, groups } = c
  const geometry = convGeometry({ stride, dilation, padding: front, groups } as Parameters<typeof convGeometry>[0])
  const problem: ConvProblem = {
    x: [c.n, c.channels, ...c.size],
    w: [c.outputs, c.channels / groups, ...c.kernel],
    y: [c.n, c.outputs, ...convOutput(c)],
    geometry,
  }
  const [x, w, dy] = [problem.x, problem.w, problem.y].map((shape, k) => values(sizeOf(shape), k + 1))
  const expected = { forward: convForward(c, x!, w!), data: convData(c, dy!, w!), weight: convWeight(c, x!, dy!) }
  for (const pass of PASSES) {
    assertClose(convReference(pass, problem, { x: x!, w: w!, dy: dy! }), expected[pass], pass, { relative: 1e-12 })
  }
  assert.is(convProducts(problem), 2 * 6 * 2 * 6 * sizeOf(convOutput(c)))
})

test('conv3d: every pass agrees with float64, as JSON', async () => {
  const { code, out, err } = await voxplain(
    ...['bench', 'conv3d', '--shape', '2x3x5x6x7', '--filters', '4', '--stride', '1x2x1', '--check', '--json'],
    ...QUICK,
  )
  const { rows, output, adapter } = JSON.parse(out)
  assert.equal([code, err], [0, ''])
  assert.equal(output, [2, 4, 5, 3, 7])
  assert.ok(adapter.length > 0)
  const preferred = rows.filter((row: { preferred: boolean }) => row.preferred)
  assert.equal(
    preferred.map((row: { pass: string }) => row.pass),
    ['forward', 'data', 'weight'],
  )
  for (const row of rows) {
    assert.is(row.flops, 2 * 2 * 4 * 3 * 27 * 5 * 3 * 7, row.pass)
    assert.ok(row.right && row.error < 1e-5 && row.difference < 1e-5, `${row.pass} ${row.variant}`)
    assert.ok(row.bytes > 0 && row.kernels.length > 0 && row.timing.samples.length === 1)
    assert.ok(row.gflops > 0 && row.gigabytesPerSecond > 0 && row.timing.cpuMilliseconds >= 0)
  }
})

test('conv3d: one pass as a table', async () => {
  const { code, out } = await voxplain(
    ...['bench', 'conv3d', '--shape', '1x2x4x4x4', '--filters', '2', '--pass', 'weight', '--variants', 'preferred'],
    ...QUICK,
  )
  const [title, header, row, ...rest] = out.trimEnd().split('\n')
  assert.is(code, 0)
  assert.match(title!, /^conv3d 1x2x4x4x4 to 1x2x4x4x4, kernel 3x3x3 on /)
  assert.match(header!, /^pass +variant +ms +CPU ms +GFLOP\/s +GB\/s +MB +difference +kernels$/)
  assert.match(row!, /^weight +\S+ \* .* 0 {2}\S/)
  assert.equal(rest, [])
})

/** x times `factor`, by one of several kernels, of which `wrong` forgets an element. */
function scaled(x: Tensor, name: string, wrong: boolean): Tensor {
  const size = sizeOf(x.shape)
  const operation: Operation = {
    name,
    lower({ outputs }, context) {
      const [y] = outputs as [Tensor]
      const map = (scale: number): Dispatch[] => [
        {
          kernel: 'elementwise/map',
          constants: { COUNT: size },
          bind: { x, y },
          groups: linearGroups(size, 256),
          epilogue: [affine(x, scale, 0).node!.operation.piece!(affine(x, scale, 0).node!)],
          flops: size,
        },
      ]
      const variants = { plain: () => map(2), other: () => map(2), ...(wrong ? { wrong: () => map(2.5) } : {}) }
      return context.choose(name, String(size), variants, 'plain')
    },
  }
  return apply(operation, [x], [{ shape: x.shape }]).outputs[0]!
}

function scaling(wrong: boolean): Work {
  const x = input([500])
  const inputs = new Map([[x, values(500, 3)]])
  return { name: 'double', output: scaled(x, 'double', wrong), inputs, expected: values(500, 3).map((v) => 2 * v) }
}

test('variants are found, compared, and timed when they are right', async () => {
  const gpu = await testGpu()
  const rows = await benchVariants(gpu, [scaling(true)], 'all', { repetitions: 2, seconds: 1 })
  assert.equal(
    rows.map(({ variant, preferred, right }) => [variant, preferred, right]),
    [
      ['plain', true, true],
      ['other', false, true],
      ['wrong', false, false],
    ],
  )
  const [plain, other, wrong] = rows
  assert.equal([plain!.difference, other!.difference, plain!.error], [0, 0, 0])
  assert.equal([plain!.flops, plain!.bytes, plain!.kernels], [500, 4000, ['elementwise/map']])
  assert.is(plain!.timing!.samples.length, 2)
  assert.ok(Math.abs(wrong!.difference - 0.25) < 1e-6 && Math.abs(wrong!.error! - 0.25) < 1e-6)
  assert.equal([wrong!.timing, wrong!.gflops], [undefined, undefined])
  let said = ''
  const terminal = { out() {}, err: (text: string) => void (said += text), interactive: false, columns: 80 }
  assert.is(reportWrong(rows, makeReporter(terminal, true)), 1)
  assert.match(said, /^voxplain: double wrong is off by 2\.5e-1 .*not timed\n$/)
})

test('variants by name, the preferred one alone, and names that nobody has', async () => {
  const gpu = await testGpu()
  const names = async (work: Work, wanted: Parameters<typeof benchVariants>[2]) =>
    (await benchVariants(gpu, [work], wanted, { repetitions: 1, seconds: 0 })).map(({ variant }) => variant)
  assert.equal(await names(scaling(false), ['other']), ['other'])
  assert.equal(await names(scaling(false), 'preferred'), ['plain'])
  try {
    await names(scaling(false), ['fast'])
    assert.unreachable()
  } catch (error) {
    assert.instance(error, InputError)
    assert.match((error as Error).message, /no variant is called "fast" here; known: "plain", "other"/)
  }
  // Several operations that leave a choice: each variant says whose it is.
  const x = input([64])
  const output = scaled(scaled(x, 'first', false), 'second', false)
  const chain = { name: 'chain', output, inputs: new Map([[x, values(64)]]) }
  assert.equal(await names(chain, 'all'), ['preferred', 'first:plain', 'first:other', 'second:plain', 'second:other'])
})

test('a step: its cost table and what it would take elsewhere, as JSON', async () => {
  for (const program of ['mask', 'predict', 'train']) {
    const network = program === 'predict' ? [place.network] : ['smallCnn', '--size', '9x8x10']
    const { code, out, err } = await voxplain(
      ...['bench', '--program', program, '--network', ...network, '--batch', '2', '--on', '100,1000', '--json'],
      ...QUICK,
    )
    assert.equal([code, err], [0, ''], program)
    const found = JSON.parse(out)
    const { rows, total, prediction, ceilings, step } = found
    assert.equal(found.input, program === 'predict' ? [1, SIZE[2], SIZE[1], SIZE[0]] : [1, 9, 8, 10])
    const sum = (of: (row: CostRow) => number | undefined) =>
      rows.reduce((all: number, row: CostRow) => all + (of(row) ?? 0), 0)
    assert.is(
      total.bytes,
      sum(({ bytes }) => bytes),
    )
    assert.is(
      total.flops,
      sum(({ flops }) => flops),
    )
    assertClose([total.roofline], [sum(({ roofline }) => roofline)], 'roofline')
    const elsewhere = sum(({ bytes, flops = 0 }) => Math.max(bytes / 100e6, flops / 1000e6))
    assertClose([prediction.milliseconds], [elsewhere], 'prediction')
    assert.ok(rows.some(({ nodes }: CostRow) => nodes.includes('conv3d')))
    assert.is(
      rows.some(({ nodes }: CostRow) => nodes.includes('step_mask')),
      program === 'mask',
    )
    assert.is(
      rows.some(({ nodes }: CostRow) => nodes.some((name) => /adam/.test(name))),
      program === 'train',
    )
    assert.ok(ceilings.bandwidth > 0 && ceilings.rate > 0)
    assert.ok(step.milliseconds > 0 && step.submitMilliseconds > 0 && found.memory.total > 0)
  }
})

test('a step as a table: dispatches, totals, the whole step', async () => {
  const run = (...more: string[]) =>
    voxplain('bench', '--program', 'predict', '--network', place.network, ...QUICK, ...more)
  const { code, out } = await run()
  assert.is(code, 0)
  assert.match(out, /^predict step of small_cnn, 1x1x12x14x12, on .*\(copy \S+ GB\/s, multiply-add \S+ GFLOP\/s/)
  assert.match(out, /\n *# {2}kernel +computes +ms +% +MFLOP +MB +flop\/B +GFLOP\/s +GB\/s +least ms +of ceiling\n/)
  assert.match(out, /\n *1 {2}\S+ +conv3d/)
  assert.match(out, /\n +total +\d+ dispatches /)
  assert.match(out, /\nwhole step: \S+ ms \(\S+ CPU ms\), of them \S+ ms to encode and submit\n$/)
  const apart = await run('--no-fuse', '--on', '3350,67000')
  const dispatches = (text: string) => Number(/total +(\d+) dispatches/.exec(text)![1])
  assert.ok(dispatches(apart.out) > dispatches(out), 'nothing is fused')
  assert.match(apart.out, /\nat 3350 GB\/s and 67000 GFLOP\/s: at least \S+ ms\n$/)
})

test('the slowest dispatch first', () => {
  const row = (kernel: string, milliseconds: number | undefined, roofline: number) =>
    ({ kernel, nodes: [kernel], shape: '', bytes: 1, milliseconds, roofline }) as unknown as CostRow
  const order = (rows: CostRow[], by: 'order' | 'time') =>
    costLines(rows, by)
      .slice(1, -1)
      .map((line) => line.trim().split(/\s+/).slice(0, 2).join(' '))
  const rows = [row('a', 1, 9), row('b', 3, 5), row('c', 2, 7)]
  assert.equal(order(rows, 'order'), ['1 a', '2 b', '3 c'])
  assert.equal(order(rows, 'time'), ['2 b', '3 c', '1 a'])
  const untimed = rows.map(({ kernel, roofline }) => row(kernel, undefined, roofline!))
  assert.equal(order(untimed, 'time'), ['1 a', '3 c', '2 b'])
  assert.not.match(costLines(untimed, 'order').join(), /NaN|Infinity|undefined/)
})

test('doctor --bench tells the ceilings', async () => {
  const { code, out } = await voxplain('doctor', '--bench', '--json')
  const { ceilings } = JSON.parse(out)
  assert.is(code, 0)
  assert.ok(ceilings.bandwidth > 0 && ceilings.rate > 0)
  assert.is(JSON.parse((await voxplain('doctor', '--json')).out).ceilings, undefined)
})

test('help has examples; wrong use is one line and exit code 2', async () => {
  for (const command of [['bench'], ['bench', 'conv3d']]) {
    const { code, out } = await voxplain(...command, '--help')
    assert.is(code, 0)
    assert.match(out, /\nExamples?:\n {2}voxplain bench /)
  }
  const conv = (...rest: string[]) => voxplain('bench', 'conv3d', ...rest)
  assertRefused(await voxplain('bench'), 2, '--program', 'conv3d')
  assertRefused(await voxplain('bench', 'sorting'), 2, '"sorting"', 'conv3d')
  assertRefused(await conv('--filters', '2'), 2, '--shape')
  assertRefused(await conv('--shape', '1x2x3', '--filters', '2'), 2, '1x2x3', 'Give 5 whole numbers')
  assertRefused(await conv('--shape', '1x2x4x4x4', '--filters', '2', '--kernel', '3x3'), 2, '3x3', 'three joined by x')
  assertRefused(await conv('--shape', '1x3x4x4x4', '--filters', '2', '--groups', '2'), 2, 'conv3d', 'group')
  assertRefused(await conv('--shape', '1x2x1x1x1', '--filters', '2', '--padding', '0'), 2, 'does not fit')
  assertRefused(await conv('--shape', '1x64x99x99x99', '--filters', '64', '--check'), 2, '--check', 'smaller --shape')
  const step = (...rest: string[]) => voxplain('bench', '--program', 'predict', '--network', ...rest)
  assertRefused(await step('conv6Fc3'), 2, 'conv6Fc3', 'conv5Fc3')
  assertRefused(await step('missing.safetensors'), 2, 'missing.safetensors')
  assertRefused(await step(place.network, '--size', '9x9x9'), 2, '9x9x9', '12x14x12')
  assertRefused(await step('dyrba', '--size', '4x4x4'), 2, '4, 4, 4', 'too small')
  assertRefused(await step('dyrba', '--on', '100'), 2, 'Give two positive numbers')
})

test.run()
