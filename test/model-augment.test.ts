/** Augmentation as training asks for it: its options, and that hemispheres change places whatever the input's axes. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { compile } from '../src/engine/compile.ts'
import { dropoutSeed } from '../src/engine/ops/dropout.ts'
import { input } from '../src/engine/tensor.ts'
import { InputError } from '../src/io/errors.ts'
import type { Volume } from '../src/io/volume.ts'
import { applyRecipe, inputShape, plainRecipe } from '../src/model/recipe/recipe.ts'
import { augmentInput, readAugmentation } from '../src/model/training/augment.ts'
import { closeTestGpu, testGpu } from './support/evaluate.ts'

const test = suite('augmentation of inputs')
test.after(closeTestGpu)

test('options are checked and completed', () => {
  assert.equal(readAugmentation({}), { flip: false, shift: [0, 0, 0], noise: 0, smoothing: 0 })
  const whole = { flip: true, shift: [3, 3, 3], noise: 0.1, smoothing: 1 }
  assert.equal(readAugmentation({ ...whole, shift: 3 }), whole)
  assert.equal(readAugmentation(JSON.parse(JSON.stringify(whole))), whole)
  const rejects = (json: unknown, pattern: RegExp) =>
    assert.throws(
      () => readAugmentation(json),
      (error: Error) => error instanceof InputError && pattern.test(error.message),
    )
  rejects({ rotate: 3 }, /no field "rotate"; known: flip, shift, noise, smoothing/)
  rejects({ flip: 'x' }, /augmentation.flip must be true or false, got "x"/)
  rejects({ shift: [1, 2] }, /augmentation.shift must be a list of 3/)
  rejects({ noise: -1 }, /augmentation.noise must be a number from 0/)
  rejects({ smoothing: 17 }, /augmentation.smoothing must be a number from 0 to 16/)
  rejects([], /augmentation must be an object/)
})

test('mirrored scans are those whose left and right changed places, and nothing else', async () => {
  // World x runs along the third axis of this scan, and the input has its axes in another order again.
  const affine = [0, 0, -2, 4, 0, 2, 0, 0, 2, 0, 0, 0, 0, 0, 0, 1]
  const shape = [3, 4, 5] as const
  const scan: Volume = { shape, data: Float32Array.from({ length: 60 }, (_, k) => k + 1), affine }
  const mirror = { ...scan, data: new Float32Array(60) }
  for (let k = 0; k < 5; k++) mirror.data.set(scan.data.subarray(12 * (4 - k), 12 * (5 - k)), 12 * k)
  const recipe = { ...plainRecipe(2), axes: ['y', 'z', 'x'] as const, flip: [true, false, true] as const }
  const size = inputShape(recipe, scan)
  const prepared = [scan, mirror].map((s) => applyRecipe(recipe, s, size).tensor)
  const gpu = await testGpu()
  const batch = 32
  const x = input([batch, ...size])
  const scans = input([batch], 'scans', 'u32')
  const seed = dropoutSeed(2)
  const y = augmentInput(x, readAugmentation({ flip: true }), { seed, scans, recipe, affine })
  const program = await compile(gpu, { y })
  const data = new Float32Array(batch * 60)
  for (let n = 0; n < batch; n++) data.set(prepared[0]!, 60 * n)
  program.write(x, data)
  program.write(
    scans,
    Uint32Array.from({ length: batch }, (_, n) => n),
  )
  program.run()
  const found = await program.read(y)
  program.destroy()
  let mirrored = 0
  for (let n = 0; n < batch; n++) {
    const own = found.subarray(60 * n, 60 * n + 60)
    const is = prepared.findIndex((tensor) => tensor.every((v, i) => v === own[i]))
    assert.ok(is >= 0, `scan ${n} is neither itself nor its mirror image`)
    mirrored += is
  }
  assert.ok(mirrored > 5 && mirrored < 27, `${mirrored} of ${batch} mirrored`)
})

test('shifts as large as the input are refused', () => {
  const x = input([1, 1, 4, 9, 9])
  const options = { seed: dropoutSeed(1), scans: input([1], 'scans', 'u32'), recipe: plainRecipe(2), affine: [] }
  assert.throws(
    () => augmentInput(x, readAugmentation({ shift: 4 }), options),
    (error: Error) => error instanceof InputError && /shift of 4 voxels along D .* 4 x 9 x 9/.test(error.message),
  )
})

test.run()
