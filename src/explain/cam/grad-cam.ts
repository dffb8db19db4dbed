/** Grad-CAM (Selvaraju et al. 2017): where the channels of a layer that speak for the class are active. */
import { backward } from '../../engine/backward.ts'
import { broadcastTo } from '../../engine/ops/broadcast.ts'
import { channelScale, multiply, relu } from '../../engine/ops/elementwise.ts'
import { mean, sum } from '../../engine/ops/reduce.ts'
import { resample3d } from '../../engine/ops/resample.ts'
import { reshape } from '../../engine/ops/shape.ts'
import { sizeOf, type Tensor } from '../../engine/tensor.ts'
import type { BuiltNetwork } from '../../model/build.ts'
import { readBoolean, readName } from '../../model/formats/read-json.ts'
import { type RectifierSettings, rectifierRules, rectifierSettings } from '../gradient/guided.ts'
import { makeGraphExplainer } from '../graph-explainer.ts'
import type { Method, Setting } from '../method.ts'
import { withTap } from '../tap.ts'
import { camLayer } from './layer.ts'

export interface CamSettings {
  layer: string | undefined
  relu: boolean
}

const layerSetting: Setting<string | undefined> = {
  default: undefined,
  text: 'name of the layer to look at; default: the last convolution',
  read: (value, what) => (value === undefined ? undefined : readName(value, what)),
}

/** The map at the layer's own size, then resampled to the scan's (trilinear, as torch's interpolate with align_corners off). */
export const gradCam: Method<CamSettings> = {
  name: 'gradCam',
  title: 'Grad-CAM',
  source: 'Selvaraju et al. 2017; Captum LayerGradCam',
  signed: true,
  settings: {
    layer: layerSetting,
    relu: { default: true, text: 'keep what speaks for the class only', read: readBoolean },
  },
  main: 'layer',
  async make(gpu, network, settings, options = {}) {
    const { network: tapped, tap } = withTap(network, camLayer(network, settings.layer))
    return makeGraphExplainer(gpu, tapped, options, (built, seed) => ({
      relevance: activationMap(built, built.layers.get(tap)!, seed, settings.relu),
    }))
  },
}

/** Grad-CAM's map, of which nothing negative is kept, times guided backpropagation's. */
export const guidedGradCam: Method<Pick<CamSettings, 'layer'> & RectifierSettings> = {
  name: 'guidedGradCam',
  title: 'Guided Grad-CAM',
  source: 'Selvaraju et al. 2017; Captum GuidedGradCam (trilinear)',
  signed: true,
  settings: { layer: layerSetting, ...rectifierSettings },
  main: 'layer',
  async make(gpu, network, settings, options = {}) {
    const { network: tapped, tap } = withTap(network, camLayer(network, settings.layer))
    const rules = rectifierRules(network, 'guided', settings)
    return makeGraphExplainer(gpu, tapped, options, (built, seed) => {
      const [guided] = backward(built.logits, [built.input], { seed, rules })
      return { relevance: multiply(guided!, activationMap(built, built.layers.get(tap)!, seed, true)) }
    })
  },
}

/**
 * Sum over channels of the activation times its mean gradient, at the size and with the channels of the network's input.
 * @param at [N, C, d, h, w]
 */
function activationMap({ logits, input }: BuiltNetwork, at: Tensor, seed: Tensor, rectify: boolean): Tensor {
  const [gradient] = backward(logits, [at], { seed })
  const [n, c, ...size] = at.shape as [number, number, ...number[]]
  const weights = reshape(mean(gradient!, [2, 3, 4]), [n * c])
  const weighted = channelScale(reshape(at, [1, n * c, sizeOf(size)]), weights)
  const map = reshape(sum(reshape(weighted, [n, c, sizeOf(size)]), [1]), [n, 1, ...size])
  return broadcastTo(resample3d(rectify ? relu(map) : map, input.shape.slice(2), 'trilinear'), input.shape)
}
