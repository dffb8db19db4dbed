/** A GPU that is lost at random dispatches: what is computed is right, or fails in words, and nothing waits for ever. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { compile } from '../src/engine/compile.ts'
import { GpuError } from '../src/engine/errors.ts'
import { type Gpu, openGpu } from '../src/engine/gpu.ts'
import { affine } from '../src/engine/ops/elementwise.ts'
import { onEach, openSession } from '../src/engine/session.ts'
import { input } from '../src/engine/tensor.ts'
import { uniformStream } from '../src/model/random.ts'
import { values } from './support/evaluate.ts'

const test = suite('session')
const COUNT = 64
const doubled = (n: number) => values(COUNT, n).map((v) => Math.fround(2 * v))

/** A program that doubles values, and is ever again run on another GPU. */
function doubler() {
  return onEach(async (gpu: Gpu) => {
    const x = input([COUNT])
    const y = affine(x, 2)
    const program = await compile(gpu, { y })
    let busy: Promise<unknown> = Promise.resolve()
    return (n: number) => {
      const answer = busy.then(() => {
        program.write(x, values(COUNT, n))
        program.run()
        return program.read(y)
      })
      busy = answer.catch(() => undefined)
      return answer
    }
  })
}

/** Calls `at` for each dispatch on the GPU. */
function watchDispatches(gpu: Gpu, at: () => void): Gpu {
  const { device } = gpu
  const encoder = device.createCommandEncoder.bind(device)
  device.createCommandEncoder = (about) => {
    const made = encoder(about)
    const begin = made.beginComputePass.bind(made)
    made.beginComputePass = (descriptor) => {
      const pass = begin(descriptor)
      const real = pass.dispatchWorkgroups.bind(pass)
      pass.dispatchWorkgroups = (...groups) => {
        at()
        real(...groups)
      }
      return pass
    }
    return made
  }
  return gpu
}

test('lost twenty times at random dispatches, with pieces that overlap: every result is right', async () => {
  const next = uniformStream(3, 'losses')
  let left = 1 + Math.floor(6 * next())
  let [destroyed, dispatches] = [0, 0]
  const open = async () => {
    const gpu: Gpu = await openGpu()
    let doomed = false
    return watchDispatches(gpu, () => {
      dispatches++
      if (destroyed >= 20 || doomed || --left > 0) return
      doomed = true
      destroyed++
      left = 1 + Math.floor(8 * next())
      const later = Math.floor(3 * next())
      if (later === 0) gpu.device.destroy()
      else setTimeout(() => gpu.device.destroy(), later - 1)
    })
  }
  const told: string[] = []
  const session = await openSession(open, { losses: 10, onLoss: (what) => told.push(what), pauses: [0] })
  const on = doubler()
  for (let n = 0; destroyed < 20 || n % 3 !== 0; n += 3) {
    const pieces = [n, n + 1, n + 2].map((k) => session.run(async (gpu) => (await on(gpu))(k)))
    for (const [k, result] of (await Promise.all(pieces)).entries())
      assert.equal(result, doubled(n + k), `piece ${n + k}`)
  }
  // The last one may have been destroyed after the last piece was done.
  assert.ok(session.losses >= 19 && session.losses <= 20, `${session.losses} losses`)
  assert.is(told.length, session.losses)
  assert.match(told[0]!, /^the GPU device was lost: .*; it was opened again, and work goes on$/)
  assert.ok(dispatches > 60)
  session.close()
})

test('work that loses the GPU every time ends in words', async () => {
  const open = async () => {
    const gpu: Gpu = await openGpu()
    return watchDispatches(gpu, () => gpu.device.destroy())
  }
  const session = await openSession(open, { losses: 2, pauses: [0] })
  const on = doubler()
  await fails(
    session.run(async (gpu) => (await on(gpu))(1)),
    'lost',
    /the GPU device was lost.* \(3 times in a row at the same piece of work\)/,
  )
  session.close()
})

test('what fails for another reason is not tried again', async () => {
  let times = 0
  const session = await openSession(() => openGpu())
  const work = session.run(async () => {
    times++
    throw new GpuError('limit', 'too large')
  })
  await fails(work, 'limit', /^too large$/)
  assert.is(times, 1)
  assert.is(session.losses, 0)
  session.close()
})

test('another adapter in the place of the one that was lost is refused: it would compute other bits, or for days', async () => {
  let opened = 0
  const open = async () => {
    const gpu = await openGpu()
    return opened++ === 0 ? { ...gpu, name: 'GPU of before' } : gpu
  }
  const session = await openSession(open, { pauses: [0, 0] })
  await fails(session.reopen(), 'unavailable', /^GPU of before was lost and did not come back: there is only /)
  assert.is(opened, 3)
  await fails(
    session.run(async () => 1),
    'unavailable',
    /did not come back/,
  )
})

test('opened anew on purpose: what was there is gone, and it counts as no loss', async () => {
  const session = await openSession(() => openGpu())
  const on = doubler()
  assert.equal(await session.run(async (gpu) => (await on(gpu))(5)), doubled(5))
  const before = session.gpu
  await session.reopen()
  assert.is.not(session.gpu, before)
  assert.equal(await session.run(async (gpu) => (await on(gpu))(6)), doubled(6))
  assert.is(session.losses, 0)
  session.close()
})

async function fails(promise: Promise<unknown>, kind: string, message: RegExp): Promise<void> {
  try {
    await promise
  } catch (error) {
    assert.instance(error, GpuError)
    assert.is((error as GpuError).kind, kind, (error as Error).message)
    assert.match((error as Error).message, message)
    return
  }
  assert.unreachable('it did not fail')
}

test.run()
