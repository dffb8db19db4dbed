/** Gradients of a class's logit with respect to the scan: saliency, and input times gradient. */
import { backward } from '../../engine/backward.ts'
import { absolute, multiply } from '../../engine/ops/elementwise.ts'
import { makeGraphExplainer } from '../graph-explainer.ts'
import type { Method } from '../method.ts'

/** |d logit / d x| (Simonyan et al. 2013). */
export const saliency: Method = {
  name: 'saliency',
  title: 'Saliency',
  source: 'Simonyan et al. 2013; Captum Saliency',
  signed: false,
  settings: {},
  make: (gpu, network, _, options = {}) =>
    makeGraphExplainer(gpu, network, options, ({ logits, input }, seed) => {
      const [gradient] = backward(logits, [input], { seed })
      return { relevance: absolute(gradient!) }
    }),
}

/** x d logit / d x (Shrikumar et al. 2016). */
export const inputXGradient: Method = {
  name: 'inputXGradient',
  title: 'Input x gradient',
  source: 'Shrikumar et al. 2016; Captum InputXGradient',
  signed: true,
  settings: {},
  make: (gpu, network, _, options = {}) =>
    makeGraphExplainer(gpu, network, options, ({ logits, input }, seed) => {
      const [gradient] = backward(logits, [input], { seed })
      return { relevance: multiply(input, gradient!) }
    }),
}
