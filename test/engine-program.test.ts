/** Programs: memory plans, loops that allocate nothing, what is computed once, what can be read; and backward. */
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { backward } from '../src/engine/backward.ts'
import { compile } from '../src/engine/compile.ts'
import { ShapeError } from '../src/engine/errors.ts'
import { release } from '../src/engine/gpu.ts'
import { type Lifetime, planMemory } from '../src/engine/memory.ts'
import { add, affine, channelAffine, fill, multiply, relu, tanh } from '../src/engine/ops/elementwise.ts'
import { sum } from '../src/engine/ops/reduce.ts'
import { reshape } from '../src/engine/ops/shape.ts'
import { planProgram } from '../src/engine/plan.ts'
import { apply, constant, input, type Node, parameter, sizeOf, type Tensor } from '../src/engine/tensor.ts'
import { closeTestGpu, evaluate, testGpu, values } from './support/evaluate.ts'

const test = suite('program')
test.after(closeTestGpu)

const shape = [2, 3, 5, 4]
const data = values(sizeOf(shape), 40)

const lifetimes = fc
  .array(fc.tuple(fc.integer({ min: 1, max: 1000 }), fc.nat(20), fc.nat(6)), { maxLength: 40 })
  .map((list) =>
    list.map(([bytes, first, length], key): Lifetime<number> => ({ key, bytes, first, last: first + length })),
  )

test('tensors alive together never share a buffer, and buffers hold what they are given', () => {
  fc.assert(
    fc.property(lifetimes, (lives) => {
      const { buffers, place } = planMemory(lives)
      assert.is(place.size, lives.length)
      for (const a of lives) {
        assert.ok(buffers[place.get(a.key)!]! >= a.bytes)
        for (const b of lives) {
          const together = a.key < b.key && a.first <= b.last && b.first <= a.last
          if (together) assert.is.not(place.get(a.key), place.get(b.key))
        }
      }
      const alive = (step: number) => lives.reduce((s, l) => s + (l.first <= step && step <= l.last ? l.bytes : 0), 0)
      const bound = Math.max(0, ...Array.from({ length: 27 }, (_, step) => alive(step)))
      const total = buffers.reduce((a, b) => a + b, 0)
      assert.ok(total >= bound && total <= lives.reduce((s, l) => s + l.bytes, 0))
      assert.equal(planMemory(lives), { buffers, place })
    }),
    { seed: 16, numRuns: 300 },
  )
})

test('a long chain needs two temporaries, whatever its length', async () => {
  const gpu = await testGpu()
  let y: Tensor = input([1000])
  for (let k = 0; k < 20; k++) y = affine(y, 1.01)
  const { memory, temporaries } = planProgram(gpu, [sum(y)], { fuse: false })
  assert.is(temporaries.buffers.length, 2)
  assert.is(memory.temporaries, 8000)
  assert.is(memory.fixed, 4004)
  assert.is(memory.total, memory.temporaries + memory.fixed + memory.resident)
})

test('a loop of runs and reads makes no buffers', async () => {
  const gpu = await testGpu()
  const x = input(shape)
  const w = parameter([3], Float32Array.of(1, 2, 3))
  const y = sum(channelAffine(x, w, w), [2, 3])
  const program = await compile(gpu, { y })
  program.write(x, data)
  program.run()
  const first = await program.read(y)
  const { buffers, bytes } = gpu.counters
  for (let k = 0; k < 50; k++) {
    program.run()
    assert.equal(await program.read(y), first)
  }
  assert.equal([gpu.counters.buffers, gpu.counters.bytes], [buffers, bytes])
  program.destroy()
  release(gpu, [w])
})

test('destroying a program gives back every byte', async () => {
  const gpu = await testGpu()
  const before = gpu.counters.bytes
  await evaluate(gpu, (x) => tanh(sum(affine(x!, 2), [1])), [{ shape, data }], { gradient: true })
  assert.is(gpu.counters.bytes, before)
})

test('what depends on constants alone is computed once, on parameters when they are frozen', async () => {
  const gpu = await testGpu()
  const x = input([4])
  const w = parameter([4], Float32Array.of(1, 2, 3, 4))
  const folded = affine(multiply(w, constant([4], Float32Array.of(1, 1, 2, 2))), 2)
  const y = multiply(x, folded)
  const live = await compile(gpu, { y })
  const frozen = await compile(gpu, { y }, { frozen: true })
  assert.is(live.launches.length - frozen.launches.length, 1)
  const run = async (program: typeof live) => {
    program.write(x, Float32Array.of(1, 1, 1, 1))
    program.run()
    return [...(await program.read(y))]
  }
  assert.equal(await run(live), [2, 4, 12, 16])
  assert.equal(await run(frozen), [2, 4, 12, 16])
  frozen.write(w, Float32Array.of(0, 0, 0, 1))
  assert.equal(await run(frozen), [2, 4, 12, 16])
  frozen.refresh()
  assert.equal(await run(frozen), [0, 0, 0, 4])
  assert.equal(await run(live), [0, 0, 0, 4])
  for (const program of [live, frozen]) program.destroy()
  release(gpu, [w])
})

test('outputs may be inputs, parameters, constants, views and each other', async () => {
  const gpu = await testGpu()
  const x = input([2, 2])
  const c = constant([2], Float32Array.of(5, 6))
  const y = affine(x, 2)
  const program = await compile(gpu, { x, c, y, view: reshape(y, [4]), again: y })
  program.write(x, Float32Array.of(1, 2, 3, 4))
  program.run()
  assert.equal([...(await program.read(c))], [5, 6])
  assert.equal([...(await program.read(reshape(y, [4])))], [2, 4, 6, 8])
  assert.equal([...(await program.read(x))], [1, 2, 3, 4])
  program.destroy()
  release(gpu, [c])
})

test('backward: several paths add up, unrelated tensors get zeros', async () => {
  const gpu = await testGpu()
  const x = input([3])
  const unrelated = input([2])
  const y = sum(add(multiply(x, x), affine(x, 3)))
  const [dx, zero] = backward(y, [x, unrelated]) as [Tensor, Tensor]
  const program = await compile(gpu, { dx, zero })
  program.write(x, Float32Array.of(1, -2, 0.5))
  program.run()
  assert.equal([...(await program.read(dx))], [5, -1, 4])
  assert.equal([...(await program.read(zero))], [0, 0])
  program.destroy()
})

test('backward with a rule book of another kind, with a seed, and to an intermediate tensor', async () => {
  const gpu = await testGpu()
  const x = input([3])
  const middle = affine(x, 2)
  const y = relu(middle)
  const seed = constant([3], Float32Array.of(1, -1, 1))
  const onlyPositive = (node: Node) =>
    node.operation.name === 'relu' ? (_: Node, [dy]: readonly (Tensor | undefined)[]) => [relu(dy!)] : undefined
  const [guided] = backward(y, [x], { seed, rules: onlyPositive }) as [Tensor]
  const [plain] = backward(y, [middle], { seed }) as [Tensor]
  const program = await compile(gpu, { guided, plain })
  if (program.inputs.includes(x)) program.write(x, Float32Array.of(1, 1, -1))
  program.run()
  assert.equal([...(await program.read(guided))], [2, 0, 2])
  assert.equal([...(await program.read(plain))], [1, -1, 0])
  program.destroy()
})

test('backward refuses what it cannot do', () => {
  const x = input([3])
  const refused = (build: () => unknown, message: RegExp) =>
    assert.throws(build, (e: unknown) => e instanceof ShapeError && message.test(e.message))
  refused(() => backward(x, [x]), /needs a scalar or a seed, got a tensor of 3/)
  refused(() => backward(affine(x, 2), [x], { seed: fill([2], 1) }), /seed's shape 2 is not the output's 3/)
  const opaque = apply({ name: 'opaque', lower: () => [] }, [x], [{ shape: [3] }]).outputs[0]!
  refused(() => backward(opaque, [x], { seed: fill([3], 1) }), /opaque has no gradient/)
})

test.run()
