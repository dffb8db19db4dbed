/** Methods by word, their settings from words and documents, and the one call for all of them. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { explainScan } from '../src/explain/explain.ts'
import { explain } from '../src/explain/explain-method.ts'
import { methodByName, methods, methodsFromJson, parseMethods } from '../src/explain/methods.ts'
import { InputError } from '../src/io/errors.ts'
import type { Volume } from '../src/io/volume.ts'
import { architectures, initialise } from '../src/model/architectures.ts'
import { plainRecipe } from '../src/model/recipe/recipe.ts'
import { prepareInput } from '../src/model/recipe/recipe-input.ts'
import { assertClose, closeTestGpu, testGpu, values } from './support/evaluate.ts'

const test = suite('methods')
test.after(closeTestGpu)

const names = (text: string) => parseMethods(text).map(({ name }) => name)

function refused(work: () => unknown, ...parts: string[]): void {
  assert.throws(work, (error: Error) => {
    assert.instance(error, InputError)
    assert.not.ok(error.message.includes('\n'))
    for (const part of parts) assert.ok(error.message.includes(part), `"${error.message}" should say "${part}"`)
    return true
  })
}

test('every method has a word of its own that can be part of a file name, and defaults that it accepts', () => {
  assert.is(new Set(methods.map(({ name }) => name.toLowerCase())).size, methods.length)
  for (const { name, settings, main } of methods) {
    assert.match(name, /^[A-Za-z0-9]+$/)
    assert.is(methodByName(name).name, name)
    if (main !== undefined) assert.ok(main in settings, name)
    const all = settings as Record<
      string,
      { default: unknown; read: (v: unknown, what: string) => unknown; text: string }
    >
    for (const [key, setting] of Object.entries(all)) {
      assert.ok(setting.text.length > 0, key)
      assert.equal(setting.read(setting.default, key) ?? setting.default, setting.read(setting.default, key), key)
    }
  }
})

test('words: aliases, case and hyphens, settings by name and by place, numbers, lists, truth', () => {
  assert.equal(names(' input-x-gradient '), ['inputXGradient'])
  assert.equal(names('integrated_gradients,IXG,Mask,Saliency'), ['ig', 'inputXGradient', 'mask', 'saliency'])
  const [ig, occlusion, cam] = parseMethods('ig:100:baseline=mean,occlusion:edge=4x5x6:stride=2,gradcam:relu=false')
  assert.equal([ig!.settings.steps, ig!.settings.baseline], [100, 'mean'])
  assert.equal(
    [occlusion!.settings.edge, occlusion!.given.stride],
    [
      [4, 5, 6],
      [2, 2, 2],
    ],
  )
  assert.is(cam!.settings.relu, false)
  assert.is(parseMethods('mask:Learning-Rate=0.2')[0]!.settings.learningRate, 0.2)
  // A layer may be called by a number.
  assert.is(parseMethods('gradcam:layer=12')[0]!.settings.layer, '12')
})

test('a method that comes twice is named by what it was told', () => {
  assert.equal(names('lrp:epsilonPlus,lrp:epsilonAlpha2Beta1,mask'), [
    'lrpEpsilonPlus',
    'lrpEpsilonAlpha2Beta1',
    'mask',
  ])
  assert.equal(names('ig,ig:100,mask:lambda1=0.5:fill=zero,mask'), [
    'ig',
    'igSteps100',
    'maskLambda10p5FillZero',
    'mask',
  ])
  refused(() => parseMethods('ig:50,ig:steps=50'), 'igSteps50', 'JSON')
})

test('one line says what is wrong, with the word, the setting and what there is', () => {
  refused(() => parseMethods('magic'), '"magic"', 'mask', 'saliency')
  refused(() => parseMethods('mask,,ig'), 'no method between its commas')
  refused(() => parseMethods('ig:stepz=3'), 'ig has no setting "stepz"', 'steps', 'baseline')
  refused(() => parseMethods('saliency:3'), 'saliency', '"3"', 'it has none')
  refused(() => parseMethods('ig:steps=many'), 'ig:steps', '"many"')
  refused(() => parseMethods('ig:steps=0'), 'ig:steps', '0')
  refused(() => parseMethods('ig:3:steps=4'), 'ig', 'steps', 'twice')
  refused(() => parseMethods('mask:fill=two'), 'mask:fill', '"one"', '"two"')
  refused(() => parseMethods('ig:baseline=@other.json'), '@other.json')
  refused(() => methodsFromJson([{ method: 'ig', steps: 3 }]), 'methods[0]', '"steps"')
  refused(() => methodsFromJson([{ method: 'ig', name: 'a/b' }]), 'letters and digits')
  refused(() => methodsFromJson([]), 'empty')
})

test('documents: a list of words and objects, and documents inside of words', () => {
  const list = methodsFromJson(['mask', { method: 'IG', settings: { Steps: 7 } }, { method: 'ig', name: 'other' }])
  assert.equal(
    list.map(({ name, settings }) => [name, settings.steps]),
    [
      ['mask', undefined],
      ['igSteps7', 7],
      ['other', 50],
    ],
  )
  const scan = Float32Array.of(1, 2)
  const [ig] = parseMethods('ig:baseline=@mean.nii', new Map([['mean.nii', scan]]))
  assert.is(ig!.settings.baseline, scan)
})

const SIZE = [9, 11, 10] as const
const recipe = {
  ...plainRecipe(2),
  classes: ['CN', 'AD'],
  axes: ['z', 'x', 'y'] as const,
  flip: [true, false, true] as const,
}
const network = initialise(architectures.smallCnn({ inputShape: [1, 10, 9, 11], recipe, classes: recipe.classes }), 3)
const scan = (seed: number): Volume => ({
  shape: SIZE,
  data: values(9 * 11 * 10, seed).map((v) => Math.max(0, v)),
  affine: [2, 0, 0, 5, 0, 2, 0, 6, 0, 0, 2, 7, 0, 0, 0, 1],
})

test('explain: maps on the scan grid, whatever the order of voxels that the network takes', async () => {
  const gpu = await testGpu()
  const scans = [scan(1), { ...scan(2), subject: 'two' }]
  let share = 0
  const found = await explain(gpu, network, scans, {
    method: 'input-x-gradient',
    target: 'AD',
    batch: 2,
    onProgress: (s) => (share = s),
  })
  assert.is(share, 1)
  assert.equal(
    found.attributions.map(({ target }) => target),
    [1, 1],
  )
  assert.is((found.maps[1] as { subject?: string }).subject, 'two')
  // Input times gradient is 0 where the input is 0, and only there.
  for (const [k, map] of found.maps.entries()) {
    assert.equal(map.affine, scans[k]!.affine)
    const zeros = (data: Float32Array) => Array.from(data, (v) => v === 0)
    const same = zeros(map.data).filter((zero, n) => zero === zeros(scans[k]!.data)[n]).length
    assert.ok(same > 0.97 * map.data.length, `${same} of ${map.data.length} voxels are 0 in both`)
  }
  const { tensor } = prepareInput(network, scans[0]!)
  const explainer = await methodByName('ixg').make(gpu, network, {})
  const [direct] = await explainer.explain([{ tensor, target: 1 }])
  explainer.destroy()
  assertClose(found.attributions[0]!.relevance, direct!.relevance, 'relevance', { relative: 1e-5, absolute: 1e-9 })
})

test('explain with the mask is explainScan, each scan with the class that is predicted for it', async () => {
  const gpu = await testGpu()
  const settings = { iterations: 4, resolution: 3, lambda1: 1, jitter: 1 } as const
  const scans = [scan(1), scan(2)]
  const { maps, attributions } = await explain(gpu, network, scans, { method: 'mask', settings, batch: 2 })
  for (const [k, one] of scans.entries()) {
    const { map, result } = await explainScan(gpu, network, one, settings)
    assert.equal(maps[k]!.data, map.data)
    const { target, probabilities, facts } = attributions[k]!
    assert.is(target, result.target)
    assert.equal(probabilities, Array.from(result.before[0]!))
    assert.is(facts.iterations, 4)
    const { logits } = attributions[k]!
    const ratio = Math.exp(logits[1]! - logits[0]!)
    assert.ok(Math.abs(ratio / (1 + ratio) - probabilities[1]!) < 1e-6)
  }
})

test('explain refuses in one line, and frees what it made', async () => {
  const gpu = await testGpu()
  const fails = async (options: Parameters<typeof explain>[3], ...parts: string[]) => {
    const error = await explain(gpu, network, [scan(1)], options).then(
      () => undefined,
      (reason: Error) => reason,
    )
    assert.instance(error, InputError)
    for (const part of parts) assert.ok(error!.message.includes(part), error!.message)
  }
  await fails({ method: 'magic' }, 'magic')
  await fails({ method: 'saliency', target: 'MCI' }, 'MCI', 'CN, AD')
  await fails({ method: 'saliency', target: 7 }, '7')
  await fails({ method: 'ig,mask' }, 'several')
  await fails({ method: 'ig:3', settings: { steps: 4 } }, 'not both')
  await fails({ method: 'mask', settings: { fill: 'mean' } }, 'mean', 'reference')
  await explain(gpu, network, [scan(1)], { method: 'saliency' })
  const before = gpu.counters.bytes
  await explain(gpu, network, [scan(1)], { method: 'saliency' })
  assert.is(gpu.counters.bytes, before)
})

test.run()
