/**
 * Gradients at noisy copies of a scan: their mean (SmoothGrad, Smilkov et al. 2017), the mean of their squares (Hooker et
 * al. 2019) and their variance (VarGrad, Adebayo et al. 2018).
 */
import type { Gpu } from '../../engine/gpu.ts'
import { input, state } from '../../engine/tensor.ts'
import type { Network } from '../../model/description.ts'
import { integerFrom, readBoolean } from '../../model/formats/read-json.ts'
import type { Explainer, MakeOptions, Method, Settings } from '../method.ts'
import { deviationOf, type GivenNoise, type NoiseSettings, noiseSettings, noisy } from './noise.ts'
import { addRows, addSpread, type Form } from './sample-ops.ts'
import { makeSampledExplainer, type Sampled } from './sampler.ts'

export interface SmoothSettings extends NoiseSettings {
  samples: number
  magnitude: boolean
}

/** What is made of the gradients. */
type Statistic = 'mean' | 'square' | 'variance'

const settings: Settings<SmoothSettings> = {
  samples: { default: 50, text: 'noisy copies of the scan', read: integerFrom(1) },
  ...noiseSettings(0.15),
  magnitude: {
    default: false,
    text: "take the gradients' absolute values first, as Captum's NoiseTunnel does around Saliency",
    read: readBoolean,
  },
}

function method(name: string, title: string, source: string, statistic: Statistic): Method<SmoothSettings> {
  return {
    name,
    title,
    source,
    signed: statistic === 'mean',
    settings,
    main: 'samples',
    make: (gpu, network, given, options = {}) => makeSmooth(gpu, network, statistic, given, options),
  }
}

/** Mean of the gradients at noisy copies. Facts: `deviation` of the noise. */
export const smoothGrad = method(
  'smoothGrad',
  'SmoothGrad',
  'Smilkov et al. 2017; Captum NoiseTunnel smoothgrad',
  'mean',
)

/** Mean of their squares. */
export const smoothGradSquared = method(
  'smoothGradSquared',
  'SmoothGrad squared',
  'Hooker et al. 2019; Captum NoiseTunnel smoothgrad_sq',
  'square',
)

/** Their variance (divided by the number of samples, as in Captum). */
export const varGrad = method('varGrad', 'VarGrad', 'Adebayo et al. 2018; Captum NoiseTunnel vargrad', 'variance')

/**
 * The explainer of these methods.
 * @param given noise to use instead of drawing it, so that results can be compared with other software
 */
export function makeSmooth(
  gpu: Gpu,
  network: Network,
  statistic: Statistic,
  settings: SmoothSettings,
  options: MakeOptions = {},
  given?: GivenNoise,
): Promise<Explainer> {
  const { samples } = settings
  return makeSampledExplainer(gpu, network, options, samples, (rows) => {
    return smooth(network, statistic, settings, rows, options.seed ?? 0, given)
  })
}

function smooth(
  { description }: Network,
  statistic: Statistic,
  settings: SmoothSettings,
  rows: number,
  seed: number,
  given: GivenNoise | undefined,
): Sampled {
  const { samples, magnitude } = settings
  const x = input([1, ...description.input], 'scan')
  const copies = noisy(x, rows, seed, settings, given)
  const form: Form = statistic === 'square' ? 'square' : magnitude ? 'magnitude' : 'value'
  return {
    points: copies.copies,
    collect(gradient, of, total) {
      if (statistic !== 'variance') return { effects: [addRows(gradient, of, total, form)] }
      const mean = state(total.shape, undefined, 'mean of gradients')
      return { effects: [addSpread(gradient, of, mean, total, form)], states: [mean] }
    },
    begin: (scan) => [[x, scan], ...copies.begin(scan)],
    run: copies.run,
    weight: () => 1,
    finish: async (sum, scan) => ({
      relevance: sum.map((v) => v / samples),
      facts: { deviation: deviationOf(scan, settings) },
    }),
  }
}
