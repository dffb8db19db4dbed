/**
 * The work of voxplain explain, predict and train on a GPU that is lost at random dispatches or has no room: every scan gets the map of an
 * undisturbed run, or words, and nothing waits for ever. With a method of one kernel, so that a new GPU is soon ready.
 */
import { mkdir, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { makeCrew } from '../src/cli/explain-crew.ts'
import { explainEach } from '../src/cli/explain-work.ts'
import type { Made } from '../src/cli/explain-workers.ts'
import { compile } from '../src/engine/compile.ts'
import { openGpu } from '../src/engine/gpu.ts'
import { affine } from '../src/engine/ops/elementwise.ts'
import { openSession } from '../src/engine/session.ts'
import { input, sizeOf } from '../src/engine/tensor.ts'
import { inTurns } from '../src/explain/graph-explainer.ts'
import type { Method } from '../src/explain/method.ts'
import { uniformStream } from '../src/model/random.ts'
import { writeLine } from './support/bids.ts'
import { makePlace, tinyScan, voxplain } from './support/cli.ts'
import { explainTask } from './support/explain-task.ts'
import { type Trouble, withTrouble } from './support/fragile-gpu.ts'
import { commandsToKill } from './support/kills.ts'

const test = suite('survival')
const SCANS = 16

/** Relevance is the scan times a factor. @param factor makes methods that differ, and have programs of their own */
const scaled = (factor: number): Method => ({
  name: `scaled${factor}`,
  title: 'The scan',
  source: 'none',
  signed: true,
  settings: {},
  async make(gpu, { description }, _, { batch = 1 } = {}) {
    const x = input([batch, ...description.input])
    const y = affine(x, factor)
    const program = await compile(gpu, { y })
    const size = sizeOf(description.input)
    return {
      memory: program.memory,
      destroy: () => program.destroy(),
      ...inTurns(
        batch,
        async (inputs) => {
          const all = new Float32Array(batch * size)
          inputs.forEach(({ tensor }, k) => void all.set(tensor, k * size))
          program.write(x, all)
          program.run(2)
          const values = await program.read(y)
          return inputs.map((_, k) => ({
            relevance: values.slice(k * size, (k + 1) * size),
            target: 1,
            logits: [0, 0],
            probabilities: [0.5, 0.5],
            facts: {},
          }))
        },
        () => undefined,
      ),
    }
  },
})

/** Two methods on all scans, in groups of four. @returns relevance by method and scan, and what was said */
async function explained(trouble: Trouble, { batch = 2, losses = 3 } = {}) {
  const { result, damage } = await withTrouble(trouble, async () => {
    const { task, session, said, clear } = await opened(batch, losses)
    const crew = makeCrew(task)
    const maps: Record<string, Float32Array> = {}
    let error: unknown
    try {
      for (let from = 0; from < SCANS; from += 4) {
        for (const m of task.methods.keys()) {
          const jobs = [0, 1, 2, 3].map((k) => {
            const { data } = tinyScan(from + k + 1)
            return { input: { tensor: Float32Array.from(data) }, variant: task.methods[m]!.variants[0]!, file: `${k}` }
          })
          const made = await crew.run(m, jobs, () => undefined)
          for (const [k, one] of made.entries()) {
            maps[`${m} ${from + k}`] = (one as Made).attribution.relevance
          }
        }
      }
    } catch (fault) {
      error = fault
    }
    crew.destroy()
    session.close()
    await clear()
    return { said, maps, error, losses: session.losses }
  })
  return { ...result, damage }
}

async function opened(batch: number, losses = 3) {
  const said: string[] = []
  const session = await openSession(() => openGpu(), { losses, onLoss: (what) => said.push(what), pauses: [0] })
  const { task, clear } = await explainTask(session.gpu, SCANS, 'saliency')
  const methods = [scaled(2), scaled(3)].map((method) => ({
    choice: { name: method.name, method, settings: {}, given: {} },
    variants: [{ suffix: '', settings: {} }],
  }))
  const reporter = { ...task.reporter, warn: (text: string) => void said.push(text) }
  return { task: { ...task, session, methods, reporter, flags: { batch } }, session, said, clear }
}

/** The same as maps in files. */
async function written(trouble: Trouble) {
  const { result, damage } = await withTrouble(trouble, async () => {
    const { task, session, clear } = await opened(2)
    const outcomes = await explainEach(task)
    session.close()
    const names = (await readdir(task.out)).filter((name) => /relevance|tmp$/.test(name))
    await clear()
    return { errors: outcomes.flatMap((outcome) => ('error' in outcome ? [outcome.error] : [])), names }
  })
  return { ...result, damage }
}

let whole: Awaited<ReturnType<typeof explained>>
test.before(async () => {
  whole = await explained({}, { batch: 4 })
  assert.is(whole.error, undefined)
  assert.is(Object.keys(whole.maps).length, 2 * SCANS)
})

test('lost twenty times at random dispatches, or soon after them: the maps of an undisturbed run', async () => {
  const next = uniformStream(7, 'losses')
  let left = 3
  let count = 0
  const dispatch = () => {
    if (count === 20 || --left > 0) return false
    left = 1 + Math.floor(5 * next())
    count++
    return next() < 0.5 ? true : Math.floor(3 * next())
  }
  let found = 0
  // How many fit into the work once depends on how fast the machine is.
  for (let round = 0; round < 4 && count < 20; round++) {
    const { error, maps, said, losses } = await explained({ dispatch }, { losses: 10 })
    assert.is(error, undefined)
    assert.is(said.filter((text) => /^the GPU device was lost: .*; it was opened again/.test(text)).length, losses)
    assert.equal(maps, whole.maps)
    found += losses
  }
  // One that came late may have hit a GPU that was gone already, or was of no more use.
  assert.ok(count === 20 && found >= 12 && found <= 20, `${found} losses of ${count}`)
})

test('buffers that cannot be made at random: the maps of an undisturbed run, or a refusal', async () => {
  const next = uniformStream(8, 'allocations')
  let refused = 0
  while (refused < 20) {
    const { error, maps, damage } = await explained({ allocate: () => next() < 0.15 }, { batch: 4 })
    refused += damage.refused
    for (const [name, relevance] of Object.entries(maps)) assert.equal(relevance, whole.maps[name], name)
    if (Object.keys(maps).length < 2 * SCANS) assert.match(String(error), /out of GPU memory/)
  }
})

test('lost at every dispatch: every scan has its error, and the work ends', async () => {
  const { errors, names, damage } = await written({ dispatch: () => true })
  assert.is(damage.devices, 4)
  assert.is(errors.length, SCANS)
  assert.match(
    errors[0]!,
    /the GPU device was lost: .*\(4 times in a row at the same piece of work\); 15 more not tried/,
  )
  assert.equal(names, [])
})

test('room for fewer maps than were asked for', async () => {
  const most = whole.damage.peak - 1
  const { error, maps, said, damage } = await explained(
    { allocate: (bytes, alive) => alive + bytes > most },
    { batch: 4 },
  )
  assert.is(error, undefined)
  assert.ok(damage.refused > 0)
  assert.match(said.join('\n'), /scaled3: out of GPU memory.*; trying with 2 maps at a time instead of 4/)
  assert.equal(maps, whole.maps)
})

test('room for one method at a time only', async () => {
  const one = tinyScan().data.length * 4
  // A map takes an input, a result, and what is read.
  const { error, maps, said } = await explained({ allocate: (bytes, alive) => alive + bytes > 4 * one }, { batch: 1 })
  assert.is(error, undefined)
  assert.match(said.join('\n'), /scaled3: out of GPU memory.*; trying without other methods ready/)
  assert.equal(maps, whole.maps)
})

test('no room for one map: refused in one sentence that says what to do', async () => {
  const { errors, names } = await written({ allocate: (bytes) => bytes > 1000 })
  assert.is(errors.length, SCANS)
  assert.match(
    errors[0]!,
    /^scaled2: out of GPU memory.*, for one map at a time; close other programs that use the GPU, or take a smaller network/,
  )
  assert.equal(names, [])
})

test('voxplain explain and predict: lost in the middle', async () => {
  const place = await makePlace()
  const network = await writeLine(place)
  const scans = await Promise.all([1, 2, 3].map((n) => place.scan(`s${n}.nii.gz`, tinyScan(n))))
  const argv = ['predict', network, ...scans, '--json']
  const undisturbed = await voxplain(...argv)
  let left = 3
  const lost = await withTrouble({ dispatch: () => --left === 0 }, () => voxplain(...argv))
  assert.is(lost.result.code, 0, lost.result.err)
  assert.match(lost.result.err, /voxplain: the GPU device was lost: .*; it was opened again, and work goes on/)
  assert.is(lost.result.out, undisturbed.out)
  const map = ['explain', network, ...scans, '--method', 'ixg', '--out', join(place.folder, 'maps'), '--batch', '1']
  left = 12
  const maps = await withTrouble({ dispatch: () => --left === 0 }, () => voxplain(...map))
  assert.is(maps.result.code, 0, maps.result.err)
  assert.match(maps.result.err, /the GPU device was lost/)
  assert.is((await place.list('maps')).length, 9)
  await place.clear()
})

test('voxplain train: lost in the middle, it goes on from its checkpoint and ends with the same bits', async () => {
  const place = await makePlace()
  const train = (await commandsToKill(place)).find(({ name }) => name === 'train')!
  const trained = async (name: string, trouble: Trouble) => {
    const folder = join(place.folder, name)
    await mkdir(folder)
    const { result, damage } = await withTrouble(trouble, () => voxplain(...train.argv(folder, false)))
    assert.is(result.code, 0, result.err)
    assert.equal(await readdir(folder), ['net.safetensors'])
    return { bytes: await readFile(join(folder, 'net.safetensors')), said: result.err, damage }
  }
  const undisturbed = await trained('undisturbed', {})
  let left = Math.floor(undisturbed.damage.dispatches / 2)
  const lost = await trained('lost', { dispatch: () => --left === 0 })
  assert.match(lost.said, /the GPU device was lost/)
  assert.ok(lost.damage.dispatches < 1.5 * undisturbed.damage.dispatches, 'it began anew')
  assert.equal(lost.bytes, undisturbed.bytes)
  await place.clear()
})

test.run()
