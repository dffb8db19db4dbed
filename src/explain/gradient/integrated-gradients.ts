/** Integrated gradients (Sundararajan et al. 2017): gradients on the straight line from a baseline to the scan. */

import type { Gpu } from '../../engine/gpu.ts'
import { input } from '../../engine/tensor.ts'
import type { Network } from '../../model/description.ts'
import { integerFrom } from '../../model/formats/read-json.ts'
import type { Method } from '../method.ts'
import { type Baseline, baselineSetting, baselineValues, countBaselines } from './baseline.ts'
import { gaussLegendre } from './gauss-legendre.ts'
import { addRows, pathPoints } from './sample-ops.ts'
import { makeSampledExplainer, type Sampled } from './sampler.ts'

export interface IntegratedGradientsSettings {
  steps: number
  baseline: Baseline
}

/**
 * (x - b) integral of d logit / d x along b + a (x - b), a from 0 to 1, by Gauss and Legendre's rule. Facts: `sum` of the
 * relevance, `difference` of the class's logit between scan and baseline, and the completeness `gap`, how far the two are
 * apart as a share of the difference: where it is large, the gradient jumps on the way, and more steps are needed.
 */
export const integratedGradients: Method<IntegratedGradientsSettings> = {
  name: 'ig',
  title: 'Integrated gradients',
  source: 'Sundararajan et al. 2017; Captum IntegratedGradients (gausslegendre)',
  signed: true,
  settings: {
    steps: { default: 50, text: 'points on the way from the baseline to the scan', read: integerFrom(1) },
    baseline: baselineSetting,
  },
  main: 'steps',
  async make(gpu: Gpu, network: Network, { steps, baseline }, options = {}) {
    countBaselines(network, baseline)
    return makeSampledExplainer(gpu, network, options, steps, (rows) => path(network, steps, baseline, rows))
  },
}

function path({ description }: Network, steps: number, baseline: Baseline, rows: number): Sampled {
  const [channels] = description.input
  const { nodes, weights } = gaussLegendre(steps)
  const x = input([1, ...description.input], 'scan')
  const baselines = input([1, ...description.input], 'baseline')
  const choice = input([rows], 'baseline of a row', 'u32')
  const alpha = input([rows], 'alpha')
  return {
    points: pathPoints({ x, baselines, choice, alpha }),
    collect: (gradient, of, total) => ({ effects: [addRows(gradient, of, total, 'value')] }),
    begin: (scan) => [
      [x, scan],
      [baselines, baselineValues(scan, channels, baseline)],
    ],
    run: (samples) => [[alpha, Float32Array.from(samples, (s) => nodes[s] ?? 0)]],
    weight: (sample) => weights[sample]!,
    async finish(sum, scan, target, logits, of) {
      const from = baselineValues(scan, channels, baseline)
      const relevance = sum.map((g, i) => g * (scan[i]! - from[i]!))
      const difference = logits[target]! - (await of(from))[target]!
      return { relevance, facts: completeness(relevance, difference) }
    },
  }
}

/** What relevance adds up to, beside what it should add up to. */
export function completeness(relevance: Float32Array, difference: number): Record<string, number> {
  let sum = 0
  for (const value of relevance) sum += value
  return { sum, difference, gap: Math.abs(sum - difference) / Math.max(Math.abs(difference), 1e-12) }
}
