/** Options of mask optimisation: what they mean, their defaults, and what is refused. */
import type { Precision } from '../engine/precision.ts'
import { InputError } from '../io/errors.ts'

export interface MaskOptions {
  /** Class whose score the mask drives down, counted from 0. Default: the class predicted for the first scan. */
  target?: number
  /** Weight of the area term |1 - m|^beta1. */
  lambda1?: number
  /** Weight of the smoothness term |grad m|^beta2. */
  lambda2?: number
  /** Exponent of the area term, >= 1. */
  beta1?: number
  /** Exponent of the smoothness term, >= 1. */
  beta2?: number
  /**
   * What replaces masked voxels (mu): `one` (grey matter can only be added: patients become controls), `zero`, `mean`
   * (the mean of the scans, or `reference`), `blur` (the scan smoothed by 10 mm).
   */
  fill?: 'one' | 'zero' | 'mean' | 'blur'
  /**
   * Where the mask acts: `tissue` (default: only where the scan is not 0, so that no grey matter is put outside the brain, to
   * which networks react although they never saw it in training), or `volume` (everywhere, the paper's formula to the letter).
   */
  within?: 'volume' | 'tissue'
  /** For fill `mean`: the image to use, as the network's input, before residualisation. Default: the mean of the scans of a group. */
  reference?: Float32Array
  /**
   * `mean`: terms are means over voxels and slopes are per cm, so that lambdas hold at any resolution. `sum`: sums over
   * the network's voxels with slopes per voxel, the paper's formula.
   */
  reduction?: 'mean' | 'sum'
  /** Edge of a mask cell in voxels of the network's input, upsampled trilinearly; 1 is full resolution. Default: about 12 mm. */
  resolution?: number
  /** The mask is shifted against the scan by up to so many voxels, anew in each step. */
  jitter?: number
  /** Steps at most. */
  iterations?: number
  /**
   * Stop when the loss, averaged over 10 steps, differs from that of the 10 steps before by less than this part of itself;
   * looked at every 10 steps. 0: never.
   */
  tolerance?: number
  /** Of Adam. */
  learningRate?: number
  /** Masks begin at values drawn evenly from [1 - start, 1], anew for each seed. Default 0: at ones. */
  start?: number
  /** Of the jitter and the start. */
  seed?: number
  /** f: the class's probability, or its logit. */
  score?: 'probability' | 'logit'
  /** Size of the network's voxels in mm along [D, H, W], for slopes per cm. Default 1. */
  spacing?: readonly [number, number, number]
  /** How large intermediate values of the network are stored (see CompileOptions). The mask itself is always f32. */
  precision?: Precision
  /** Scans that the GPU works on at the same time. Default: as many as fill it and fit (see chooseBatch). */
  batch?: number
  /** Refuse to start when the plan needs more GPU memory than this many bytes. */
  memoryLimit?: number
  /** Called now and then. */
  onProgress?: (progress: MaskProgress) => void
  /** Called as often, with the masks as they are then: [D, H, W] each, in the order of the scans at work. Not for groups. */
  onMask?: (masks: readonly Float32Array[]) => void
}

/** A scan that a mask is made for. */
export interface MaskInput {
  /** [D, H, W] of the network's input (see prepareInput). */
  readonly tensor: Float32Array
  /** The same before residualisation; needed where the network takes residuals, because the fill replaces intensities. */
  readonly plain?: Float32Array
  /** As MaskOptions.spacing, which goes before it; scans of another spacing are not worked on at the same time. */
  readonly spacing?: readonly [number, number, number]
  /** As MaskOptions.target, which it goes before. */
  readonly target?: number
}

export interface MaskProgress {
  readonly iteration: number
  readonly iterations: number
  /** Of the latest step; means over the masks that are optimised at the same time. */
  readonly total: number
  readonly score: number
  /** The masks that are at work, counted from 0 over all that were asked for. */
  readonly first: number
  readonly count: number
}

/** Weights of the two regularisers. */
export interface Lambdas {
  readonly lambda1: number
  readonly lambda2: number
}

export type MaskSettings = Required<
  Omit<MaskOptions, 'target' | 'onProgress' | 'onMask' | 'reference' | 'memoryLimit' | 'batch'>
>

/** Edge of a mask cell in mm, unless told otherwise: as wide as the hippocampus, too large for adversarial speckle. */
const CELL_MM = 12

/** Defaults, chosen on the phantom cohort and on a published network (docs/methods.md). */
export const maskDefaults: Omit<MaskSettings, 'resolution'> = {
  lambda1: 60,
  lambda2: 1,
  beta1: 1,
  beta2: 3,
  fill: 'one',
  within: 'tissue',
  reduction: 'mean',
  jitter: 0,
  iterations: 60,
  tolerance: 1e-3,
  learningRate: 0.1,
  start: 0,
  seed: 0,
  score: 'probability',
  spacing: [1, 1, 1],
  precision: 'f32',
}

/** Fills in defaults. @throws InputError naming the option, its value and what is allowed. */
export function maskSettings(options: MaskOptions, classes: number): MaskSettings {
  const { target: _, onProgress, reference, memoryLimit, batch, ...rest } = options
  const given = Object.fromEntries(Object.entries(rest).filter(([, v]) => v !== undefined))
  const spacing = options.spacing ?? maskDefaults.spacing
  const resolution = Math.max(1, Math.round(CELL_MM / Math.min(...spacing)))
  const settings: MaskSettings = { ...maskDefaults, resolution, ...given }
  const check = (good: boolean, name: keyof MaskOptions, allowed: string) => {
    if (!good) throw new InputError(`mask option ${name} is ${JSON.stringify(options[name])}; it must be ${allowed}`)
  }
  const number = (v: number, least: number) => Number.isFinite(v) && v >= least
  const whole = (v: number, least: number) => Number.isInteger(v) && v >= least
  check(
    options.target === undefined || (whole(options.target, 0) && options.target < classes),
    'target',
    `a class from 0 to ${classes - 1}`,
  )
  check(['f32', 'f16'].includes(settings.precision), 'precision', 'f32 or f16')
  check(batch === undefined || whole(batch, 1), 'batch', 'a whole number of at least 1')
  check(number(settings.lambda1, 0), 'lambda1', 'a number of at least 0')
  check(number(settings.lambda2, 0), 'lambda2', 'a number of at least 0')
  check(number(settings.beta1, 1), 'beta1', 'a number of at least 1')
  check(number(settings.beta2, 1), 'beta2', 'a number of at least 1')
  check(['one', 'zero', 'mean', 'blur'].includes(settings.fill), 'fill', 'one, zero, mean or blur')
  check(['volume', 'tissue'].includes(settings.within), 'within', 'volume or tissue')
  check(['mean', 'sum'].includes(settings.reduction), 'reduction', 'mean or sum')
  check(
    whole(settings.resolution, 1) && settings.resolution <= 64,
    'resolution',
    'a whole number of voxels from 1 to 64',
  )
  check(whole(settings.jitter, 0) && settings.jitter <= 64, 'jitter', 'a whole number of voxels from 0 to 64')
  check(
    whole(settings.iterations, 1) && settings.iterations <= 100_000,
    'iterations',
    'a whole number from 1 to 100000',
  )
  check(number(settings.tolerance, 0), 'tolerance', 'a number of at least 0')
  check(settings.learningRate > 0 && Number.isFinite(settings.learningRate), 'learningRate', 'a positive number')
  check(number(settings.start, 0) && settings.start <= 1, 'start', 'a number from 0 to 1')
  check(whole(settings.seed, 0) && settings.seed < 2 ** 32, 'seed', 'a whole number from 0 to 4294967295')
  check(['probability', 'logit'].includes(settings.score), 'score', 'probability or logit')
  check(
    settings.spacing.length === 3 && settings.spacing.every((s) => s > 0 && Number.isFinite(s)),
    'spacing',
    'three positive numbers',
  )
  return settings
}
