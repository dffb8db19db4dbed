/**
 * The gradient family against Captum (test/reference/captum_methods.py). VOXPLAIN_CAPTUM names a folder of more networks that
 * the script made from other seeds.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { gradCam, guidedGradCam } from '../src/explain/cam/grad-cam.ts'
import { deepLift } from '../src/explain/gradient/deep-lift.ts'
import { makeGradientShap } from '../src/explain/gradient/gradient-shap.ts'
import { deconvolution, guidedBackprop } from '../src/explain/gradient/guided.ts'
import { integratedGradients } from '../src/explain/gradient/integrated-gradients.ts'
import { inputXGradient, saliency } from '../src/explain/gradient/saliency.ts'
import { makeSmooth } from '../src/explain/gradient/smooth.ts'
import { type Explainer, type Method, settingsOf } from '../src/explain/method.ts'
import { type Network, validateDescription, validateNetwork } from '../src/model/description.ts'
import { closeTestGpu, testGpu } from './support/evaluate.ts'
import { relativeL2 } from './support/relevance.ts'

interface Case {
  description: unknown
  weights: Record<string, { shape: number[]; data: string }>
  steps: number
  samples: number
  target: number[]
  layer: string
  alphas: number[]
  choices: number[]
  x: string
  scan: string
  baselines: string
  noise: string
  relevance: Record<string, string>
}

const test = suite('gradient family against Captum')
test.after(closeTestGpu)

const unpack = (text: string) => {
  const bytes = Buffer.from(text, 'base64')
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength))
}

/** Every explainer by the name that the script gives its result. */
async function explainers(network: Network, c: Case): Promise<Record<string, () => Promise<Explainer>>> {
  const gpu = await testGpu()
  const options = { batch: 2 }
  const of =
    <S extends object>(method: Method<S>, settings: Partial<S> = {}) =>
    () =>
      method.make(gpu, network, settingsOf(method, settings), options)
  const { samples, steps, alphas, choices, layer } = c
  const noise = unpack(c.noise)
  const smooth = (statistic: 'mean' | 'square' | 'variance', magnitude: boolean) => () =>
    makeSmooth(gpu, network, statistic, { samples, noise: 0, unit: 'absolute', magnitude }, { batch: 3 }, noise)
  const scan = unpack(c.scan)
  const shap = { samples, baseline: unpack(c.baselines), noise: 0, unit: 'absolute' } as const
  return {
    saliency: of(saliency),
    inputXGradient: of(inputXGradient),
    'ig zero': of(integratedGradients, { steps }),
    'ig scan': of(integratedGradients, { steps, baseline: scan }),
    smoothGrad: smooth('mean', false),
    'smoothGrad magnitude': smooth('mean', true),
    smoothGradSquared: smooth('square', false),
    varGrad: smooth('variance', false),
    guidedBackprop: of(guidedBackprop, { rectifiers: 'relu' }),
    deconvolution: of(deconvolution, { rectifiers: 'relu' }),
    gradCam: of(gradCam),
    'gradCam signed': of(gradCam, { relu: false }),
    'gradCam layer': of(gradCam, { relu: false, layer }),
    guidedGradCam: of(guidedGradCam, { rectifiers: 'relu' }),
    gradientShap: () => makeGradientShap(gpu, network, shap, { batch: 3 }, { noise, alphas, choices }),
    'deepLift zero': of(deepLift),
    'deepLift scan': of(deepLift, { baseline: scan }),
  }
}

const folder = process.env.VOXPLAIN_CAPTUM ?? fileURLToPath(new URL('fixtures/explain', import.meta.url))
for (const file of readdirSync(folder).filter((name) => /^captum(-\d+)?\.json$/.test(name))) {
  const c = JSON.parse(readFileSync(join(folder, file), 'utf8')) as Case
  const weights = Object.entries(c.weights).map(
    ([name, { shape, data }]) => [name, { shape, data: unpack(data) }] as const,
  )
  const network = validateNetwork(validateDescription(c.description), new Map(weights))
  const size = network.description.input.reduce((a, b) => a * b, 1)
  const x = unpack(c.x)
  const inputs = c.target.map((target, k) => ({ tensor: x.subarray(k * size, (k + 1) * size), target }))

  test(`${file}: every method within 1e-4 in relative L2`, async () => {
    const made = await explainers(network, c)
    const errors: Record<string, number> = {}
    for (const [name, text] of Object.entries(c.relevance)) {
      const expected = unpack(text)
      // What vanishes in exact arithmetic, such as Grad-CAM before an instance norm, leaves nothing to compare.
      if (Math.hypot(...expected) < 1e-12) continue
      const rectifiers = network.description.layers.some((layer) => layer.type === 'relu')
      if (!rectifiers && /guided|deconv/.test(name)) continue
      const explainer = await made[name]!()
      const found = await explainer.explain(inputs)
      explainer.destroy()
      errors[name] = relativeL2(
        found.map((f) => f.relevance),
        expected,
      )
      assert.equal(
        found.map((f) => f.target),
        c.target,
      )
    }
    console.log(
      `${file}: ${Object.entries(errors)
        .map(([name, e]) => `${name} ${e.toExponential(1)}`)
        .join(', ')}`,
    )
    for (const [name, error] of Object.entries(errors)) assert.ok(error < 1e-4, `${name}: ${error}`)
  })
}

test.run()
