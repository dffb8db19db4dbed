/**
 * GradientSHAP (Lundberg and Lee 2017, as in Captum): the gradient at random points between random baselines and noisy copies
 * of a scan, times their difference; its mean approximates SHAP values.
 */
import type { Gpu } from '../../engine/gpu.ts'
import { input } from '../../engine/tensor.ts'
import type { Network } from '../../model/description.ts'
import { integerFrom } from '../../model/formats/read-json.ts'
import { uniformStream } from '../../model/random.ts'
import type { Explainer, MakeOptions, Method } from '../method.ts'
import { type Baseline, baselineSetting, baselineValues, countBaselines } from './baseline.ts'
import { deviationOf, type GivenNoise, type NoiseSettings, noiseSettings, noisy } from './noise.ts'
import { addRows, pathPoints, timesDifference } from './sample-ops.ts'
import { makeSampledExplainer, type Sampled } from './sampler.ts'

export interface GradientShapSettings extends NoiseSettings {
  samples: number
  baseline: Baseline
}

/** What is drawn for every sample. */
export interface Draws {
  readonly noise?: GivenNoise
  /** Place between baseline (0) and noisy copy (1), for each sample. */
  readonly alphas: readonly number[]
  /** Which baseline, for each sample. */
  readonly choices: readonly number[]
}

/** Baselines: one, or several scans one after the other in one Float32Array. Facts: `sum`, and `deviation` of the noise. */
export const gradientShap: Method<GradientShapSettings> = {
  name: 'gradientShap',
  title: 'GradientSHAP',
  source: 'Lundberg and Lee 2017; Captum GradientShap',
  signed: true,
  settings: {
    samples: { default: 50, text: 'random points', read: integerFrom(1) },
    baseline: { ...baselineSetting, text: `${baselineSetting.text}, or of several scans, to draw from` },
    ...noiseSettings(0.05),
  },
  main: 'samples',
  make: (gpu, network, settings, options = {}) => makeGradientShap(gpu, network, settings, options),
}

/**
 * The explainer of GradientSHAP.
 * @param given draws to use instead of drawing, so that results can be compared with other software
 */
export async function makeGradientShap(
  gpu: Gpu,
  network: Network,
  settings: GradientShapSettings,
  options: MakeOptions = {},
  given?: Draws,
): Promise<Explainer> {
  const { samples, baseline } = settings
  const seed = options.seed ?? 0
  const draws = given ?? drawn(samples, countBaselines(network, baseline, true), seed)
  return makeSampledExplainer(gpu, network, options, samples, (rows) => shap(network, settings, rows, seed, draws))
}

function drawn(samples: number, baselines: number, seed: number): Draws {
  const [places, picks] = [uniformStream(seed, 'gradientShap alpha'), uniformStream(seed, 'gradientShap baseline')]
  const times = { length: samples }
  return {
    alphas: Array.from(times, () => places()),
    choices: Array.from(times, () => Math.floor(picks() * baselines)),
  }
}

function shap(network: Network, settings: GradientShapSettings, rows: number, seed: number, draws: Draws): Sampled {
  const { samples, baseline } = settings
  const shape = network.description.input
  const count = countBaselines(network, baseline, true)
  const x = input([1, ...shape], 'scan')
  const copies = noisy(x, rows, seed, settings, draws.noise)
  const baselines = input([count, ...shape], 'baselines')
  const choice = input([rows], 'baseline of a row', 'u32')
  const alpha = input([rows], 'alpha')
  const operands = { x: copies.copies, baselines, choice, alpha }
  return {
    points: pathPoints(operands),
    collect: (gradient, of, total) => ({ effects: [addRows(timesDifference(gradient, operands), of, total, 'value')] }),
    setup: typeof baseline === 'string' ? [] : [[baselines, baseline]],
    begin: (scan) => [
      [x, scan],
      ...copies.begin(scan),
      ...(baseline === 'mean' ? ([[baselines, baselineValues(scan, shape[0], baseline)]] as const) : []),
    ],
    run: (numbers) => [
      ...copies.run(numbers),
      [alpha, Float32Array.from(numbers, (s) => draws.alphas[s] ?? 0)],
      [choice, Uint32Array.from(numbers, (s) => draws.choices[s] ?? 0)],
    ],
    weight: () => 1,
    async finish(total, scan) {
      const relevance = total.map((v) => v / samples)
      const sum = relevance.reduce((a, v) => a + v, 0)
      return { relevance, facts: { sum, deviation: deviationOf(scan, settings) } }
    },
  }
}
