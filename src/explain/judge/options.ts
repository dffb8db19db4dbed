/** What a judge can be told, and the defaults. */
import type { Precision } from '../../engine/precision.ts'
import { InputError } from '../../io/errors.ts'

export interface JudgeSettings {
  /** What replaces voxels: as MaskOptions.fill. */
  readonly fill: 'zero' | 'one' | 'mean' | 'blur'
  /** Which voxels are replaced and ranked: where the scan is not 0, or all. As MaskOptions.within. */
  readonly within: 'tissue' | 'volume'
  /** Points of the insertion, deletion and region curves, the first not counted. */
  readonly steps: number
  /** Edge of the cubes of regionPerturbation and faithfulnessCorrelation in voxels. */
  readonly patch: number
  /** Cubes that regionPerturbation replaces at most. */
  readonly regions: number
  /** Random sets of faithfulnessCorrelation. */
  readonly runs: number
  /** Share of the cubes in each of them. */
  readonly share: number
  /** Noisy scans of maxSensitivity. */
  readonly samples: number
  /** Largest noise, as a share of the range of the scan's values. */
  readonly radius: number
  /** Random networks for each layer that is reset. */
  readonly draws: number
  /** What of the relevance is compared with the truth: its size, or what speaks for the class. */
  readonly sign: 'absolute' | 'positive'
  /** The true region is where the truth exceeds this share of its maximum. */
  readonly threshold: number
  /** Of random sets, noise, random weights, and the order of ties. */
  readonly seed: number
}

export interface JudgeOptions extends Partial<JudgeSettings> {
  /** For fill `mean`: the image to use, as the network's input before residualisation. */
  readonly reference?: Float32Array
  /** Perturbed scans that the GPU works on at a time. Default 4. */
  readonly batch?: number
  /** Refuse when the planned GPU memory exceeds this many bytes. */
  readonly memoryLimit?: number
  readonly precision?: Precision
  /** Size of the network's voxels in mm along [D, H, W], for the default cube and the blur; default 1. */
  readonly spacing?: readonly [number, number, number]
}

/** Edge of a cube in mm, unless told otherwise: the part of a hippocampus. */
const PATCH_MM = 8

/**
 * Runs, regions, zero as the replacement and top-down resetting are Quantus's defaults; 10 noisy scans of a radius of 0.02
 * are those of Captum's sensitivity_max.
 */
export const judgeDefaults: Omit<JudgeSettings, 'patch'> = {
  fill: 'zero',
  within: 'tissue',
  steps: 20,
  regions: 100,
  runs: 100,
  share: 0.1,
  samples: 10,
  radius: 0.02,
  draws: 3,
  sign: 'absolute',
  threshold: 0.1,
  seed: 0,
}

/** Fills in defaults. @throws InputError naming the option, its value and what is allowed */
export function judgeSettings(options: JudgeOptions): JudgeSettings {
  const { spacing = [1, 1, 1] } = options
  const patch = Math.max(1, Math.round(PATCH_MM / Math.cbrt(spacing.reduce((a, b) => a * b, 1))))
  const names = [...Object.keys(judgeDefaults), 'patch'] as (keyof JudgeSettings)[]
  const given = names.flatMap((name) => (options[name] === undefined ? [] : [[name, options[name]]]))
  const settings: JudgeSettings = { ...judgeDefaults, patch, ...Object.fromEntries(given) }
  const check = (good: boolean, name: keyof JudgeSettings, allowed: string) => {
    if (!good) throw new InputError(`judge option ${name} is ${JSON.stringify(settings[name])}; it must be ${allowed}`)
  }
  const whole = (name: 'steps' | 'patch' | 'regions' | 'runs' | 'samples' | 'draws', least: number, most: number) =>
    check(
      Number.isInteger(settings[name]) && settings[name] >= least && settings[name] <= most,
      name,
      `a whole number from ${least} to ${most}`,
    )
  check(['zero', 'one', 'mean', 'blur'].includes(settings.fill), 'fill', 'zero, one, mean or blur')
  check(['tissue', 'volume'].includes(settings.within), 'within', 'tissue or volume')
  check(['absolute', 'positive'].includes(settings.sign), 'sign', 'absolute or positive')
  whole('steps', 1, 1000)
  whole('patch', 1, 64)
  whole('regions', 1, 1e6)
  whole('runs', 3, 1e5)
  whole('samples', 1, 1e4)
  whole('draws', 1, 1000)
  check(settings.share > 0 && settings.share < 1, 'share', 'above 0 and below 1')
  check(settings.radius > 0 && settings.radius <= 1, 'radius', 'above 0 and at most 1')
  check(settings.threshold >= 0 && settings.threshold < 1, 'threshold', 'from 0 to below 1')
  return settings
}
