/** Every method of the gradient family on a network of many kinds of layers: batches, targets, and the same bits again. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { gradCam, guidedGradCam } from '../src/explain/cam/grad-cam.ts'
import { deepLift } from '../src/explain/gradient/deep-lift.ts'
import { gradientShap } from '../src/explain/gradient/gradient-shap.ts'
import { deconvolution, guidedBackprop } from '../src/explain/gradient/guided.ts'
import { integratedGradients } from '../src/explain/gradient/integrated-gradients.ts'
import { inputXGradient, saliency } from '../src/explain/gradient/saliency.ts'
import { smoothGrad, smoothGradSquared, varGrad } from '../src/explain/gradient/smooth.ts'
import type { Attribution, MakeOptions } from '../src/explain/method.ts'
import { closeTestGpu, values } from './support/evaluate.ts'
import { COUNT, explain, joined, maps, relativeL2 } from './support/relevance.ts'

const test = suite('gradient family in batches')
test.after(closeTestGpu)

/** Every method with few samples. */
const all: readonly [string, (options: MakeOptions) => Promise<Attribution[]>][] = [
  ['saliency', (o) => explain(saliency, {}, o)],
  ['inputXGradient', (o) => explain(inputXGradient, {}, o)],
  ['ig', (o) => explain(integratedGradients, { steps: 5 }, o)],
  ['smoothGrad', (o) => explain(smoothGrad, { samples: 5 }, o)],
  ['smoothGradSquared', (o) => explain(smoothGradSquared, { samples: 5 }, o)],
  ['varGrad', (o) => explain(varGrad, { samples: 5 }, o)],
  ['guidedBackprop', (o) => explain(guidedBackprop, {}, o)],
  ['deconvolution', (o) => explain(deconvolution, {}, o)],
  ['gradCam', (o) => explain(gradCam, {}, o)],
  ['guidedGradCam', (o) => explain(guidedGradCam, {}, o)],
  ['deepLift', (o) => explain(deepLift, {}, o)],
  ['gradientShap', (o) => explain(gradientShap, { samples: 5, baseline: values(3 * COUNT, 8) }, o)],
]

test('every method: batches change nothing but rounding, and two runs give the same bits', async () => {
  for (const [name, run] of all) {
    const single = await run({ seed: 3 })
    const batched = await run({ seed: 3, batch: 2 })
    const again = await run({ seed: 3, batch: 2 })
    assert.equal(maps(again), maps(batched), name)
    assert.equal(
      single.map((a) => a.target),
      [2, single[1]!.logits.indexOf(Math.max(...single[1]!.logits)), 0],
      name,
    )
    const size = Math.hypot(...joined(single))
    assert.ok(size > 0 && Number.isFinite(size), `${name}: ${size}`)
    assert.ok(relativeL2(maps(batched), joined(single)) < 1e-5, name)
    for (const map of maps(single)) assert.is(map.length, COUNT, name)
  }
})

test.run()
