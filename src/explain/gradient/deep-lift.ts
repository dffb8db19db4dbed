/** DeepLIFT with the Rescale rule (Shrikumar et al. 2017): what changed between a baseline and the scan, layer by layer. */
import { backward } from '../../engine/backward.ts'
import { type Gpu, release } from '../../engine/gpu.ts'
import { absolute, affine, divide, multiply, subtract } from '../../engine/ops/elementwise.ts'
import { sum } from '../../engine/ops/reduce.ts'
import { constant, type Tensor } from '../../engine/tensor.ts'
import { buildNetwork } from '../../model/build.ts'
import type { Network } from '../../model/description.ts'
import { makeGraphExplainer } from '../graph-explainer.ts'
import type { Method } from '../method.ts'
import { type Baseline, baselineSetting, baselineTensor, countBaselines } from './baseline.ts'
import { rescaleRules } from './deep-lift-rules.ts'
import { pairGraphs } from './partners.ts'

/**
 * Relevance (x - b) m, where m is what walks back from the class's score when every nonlinearity passes it on times the
 * slope between its values at the baseline b and at the scan. The score is what a last softmax is taken of. Facts: `sum` of
 * the relevance, `difference` of the score, and the completeness `gap`, how far they are apart as a share of the difference.
 */
export const deepLift: Method<{ baseline: Baseline }> = {
  name: 'deepLift',
  title: 'DeepLIFT',
  source: 'Shrikumar et al. 2017 (Rescale); Captum DeepLift',
  signed: true,
  settings: { baseline: baselineSetting },
  main: 'baseline',
  async make(gpu: Gpu, network: Network, { baseline }, options = {}) {
    countBaselines(network, baseline)
    const shape = [1, ...network.description.input]
    const given = typeof baseline === 'string' ? [] : [constant(shape, baseline, 'baseline')]
    const explainer = await makeGraphExplainer(gpu, network, options, ({ logits, input }, seed) => {
      const reference = buildNetwork(network, { input: baselineTensor(input, baseline, given[0]) })
      const score = scoreOf(logits)
      const partner = pairGraphs(score, scoreOf(reference.logits))
      const rules = rescaleRules(network, partner)
      const [multiplier] = backward(score, [input], { seed, rules })
      const relevance = multiply(subtract(input, reference.input), multiplier!)
      const difference = sum(multiply(subtract(score, partner(score)), seed), [1])
      return { relevance, facts: completenessFacts(relevance, difference) }
    })
    return {
      ...explainer,
      destroy() {
        explainer.destroy()
        release(gpu, given)
      },
    }
  },
}

/** What a softmax at the end is taken of, or the logits themselves. */
function scoreOf(logits: Tensor): Tensor {
  const last = logits.node
  return last && ['softmax', 'log_softmax'].includes(last.operation.name) ? last.inputs[0]! : logits
}

function completenessFacts(relevance: Tensor, difference: Tensor): Record<string, Tensor> {
  const total = sum(relevance, [1, 2, 3, 4])
  const gap = divide(absolute(subtract(total, difference)), affine(absolute(difference), 1, 1e-12))
  return { sum: total, difference, gap }
}
