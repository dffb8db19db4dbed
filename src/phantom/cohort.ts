/**
 * The phantom cohort: brain-like grey-matter maps of made-up people, patients and controls, with the truth of what each
 * patient lost. A subject is a pure function of (seed, its number, options): not of how many subjects are asked, and its
 * covariates, form and losses not of the grid either. V8 (Node, Chromium) gives the same bits; engines whose Math.exp or
 * Math.cos round differently may differ in the last bit of a voxel.
 */
import { InputError } from '../io/errors.ts'
import { type Volume, voxelSize } from '../io/volume.ts'
import { gaussianBlur } from './blur.ts'
import { type Brain, brainOnGrid, defaultGrid, type Grid } from './brain.ts'
import { type Diagnosis, type Disease, drawDisease, type Subtype } from './disease.ts'
import { deriveSeed, normalField, randomStream } from './random.ts'
import { REGIONS } from './regions.ts'
import { randomVariation } from './warp.ts'

export interface PhantomOptions {
  /** How many subjects; default 60. */
  subjects?: number
  /** Edge of a voxel of the default grid in mm; default 4. */
  voxelMm?: number
  /** Another grid than `defaultGrid(voxelMm)`; it should cover the brain. */
  grid?: Grid
  /** Integer from 0 to 2^32 - 1; default 1. */
  seed?: number
  /** Diagnoses, interleaved in this order and so as balanced as can be; default ['CN', 'AD']. */
  groups?: readonly Diagnosis[]
  /** Multiplies what patients lose; default 1, 0 makes the diagnosis invisible. */
  effect?: number
  /** Standard deviation of the individual displacement along each axis in mm; default 2. */
  deformationMm?: number
  /** Standard deviation of the logarithm of a smooth individual brightness; default 0.05. */
  brightness?: number
  /** Standard deviation of each region's own grey matter between people, as a fraction; default 0.06. */
  regional?: number
  /** Standard deviation of the acquisition noise in full grey matter, smooth over about 1.5 voxels; default 0.04. */
  noise?: number
  /** Mean age of people of a diagnosis, in years; default 72 for all. */
  ages?: Partial<Readonly<Record<Diagnosis, number>>>
  /** Standard deviation of ages within a diagnosis, in years; default 7. Nobody is younger than 52 or older than 92. */
  ageDeviation?: number
  /** Multiplies what ageing takes; default 1. */
  aging?: number
  /** A softer scanner: further smoothing of every scan, standard deviation in mm; default 0. */
  blurMm?: number
  /** A scanner of another contrast: grey matter to this power; default 1. */
  gamma?: number
}

/** A row of the participants table, by BIDS's column names. */
export interface PhantomParticipant {
  /** `sub-001`, `sub-002`, ... */
  readonly participant_id: string
  /** Years. */
  readonly age: number
  readonly sex: 'F' | 'M'
  readonly diagnosis: Diagnosis
  /** Total intracranial volume in ml. */
  readonly tiv_ml: number
  readonly subtype: Subtype | null
  /** 0 for controls; multiplies the losses of the subtype's pattern. */
  readonly severity: number
  /** Left losses are larger by this fraction, right ones smaller. */
  readonly asymmetry: number
  /** Fraction of grey matter that the disease took. */
  readonly hippocampus_loss_left: number
  readonly hippocampus_loss_right: number
}

export interface PhantomSubject {
  readonly participant: PhantomParticipant
  /** Fraction of grey matter that the disease took from each region of REGIONS. */
  readonly fractions: Float64Array
  /** Grey-matter map in [0, 1]. */
  readonly scan: Volume
  /** Grey matter that the disease took, in the units of the scan and before noise: intact minus atrophied, >= 0. */
  readonly atrophy: Volume
}

export interface PhantomCohort {
  readonly grid: Grid
  readonly options: Readonly<Required<Omit<PhantomOptions, 'grid' | 'voxelMm'>>>
  /** The intact brain that everyone's is a variation of. */
  readonly template: Volume
  /** Integer labels of the template; 0 is no region. */
  readonly atlas: Volume
  /** The labels' names. */
  readonly labels: readonly { readonly index: number; readonly name: string }[]
  /** Row `number` (from 0) of the participants table, without making the scan. */
  participant(number: number): PhantomParticipant
  /** Subject `number` (from 0). */
  subject(number: number): PhantomSubject
  /** All subjects in order, each made when it is asked for. */
  subjects(): Generator<PhantomSubject>
}

const DIAGNOSES: readonly Diagnosis[] = ['CN', 'MCI', 'AD']

/** Purposes of a subject's random streams. */
const PERSON = 1
const DISEASE = 2
const REGIONAL = 3
const FORM = 4
const NOISE = 5

/** Everyone loses grey matter with age, medial temporal regions faster; fractions per year from 70. */
const AGING_PER_YEAR = 0.004
const MEDIAL_TEMPORAL_AGING_PER_YEAR = 0.003
const isMedialTemporal = REGIONS.map(({ name }) => /^(Hippocampus|Amygdala|ParaHippocampal)/.test(name))

const MEAN_TIV_ML = { F: 1390, M: 1560 }
/** Grey matter grows less than the head: an exponent below 1, as de Jong et al. (Human Brain Mapping 38, 2017) measured. */
const TIV_EXPONENT = 0.6
/** Women's share of grey matter in the head is a little larger. */
const FEMALE_GAIN = 1.015

const NOISE_SIGMA_VOXELS = 0.65

function checked(options: PhantomOptions) {
  const { subjects = 60, seed = 1, groups = ['CN', 'AD'], effect = 1, deformationMm = 2 } = options
  const { brightness = 0.05, regional = 0.06, noise = 0.04 } = options
  const { ageDeviation = 7, aging = 1, blurMm = 0, gamma = 1 } = options
  const ages = Object.fromEntries(DIAGNOSES.map((group) => [group, options.ages?.[group] ?? 72])) as Ages
  if (!Number.isInteger(subjects) || subjects < 1 || subjects > 100000) {
    throw new InputError(`${subjects} subjects: give a whole number from 1 to 100000`)
  }
  if (!Number.isInteger(seed) || seed < 0 || seed > 0xffffffff) {
    throw new InputError(`seed ${seed}: give a whole number from 0 to 4294967295`)
  }
  const unknown = groups.find((group) => !DIAGNOSES.includes(group))
  if (groups.length === 0 || unknown !== undefined) {
    throw new InputError(`groups ${JSON.stringify(groups)}: name one or more of ${DIAGNOSES.join(', ')}`)
  }
  const stranger = Object.keys(options.ages ?? {}).find((group) => !DIAGNOSES.some((own) => own === group))
  if (stranger !== undefined) throw new InputError(`ages: ${stranger} is none of ${DIAGNOSES.join(', ')}`)
  const odd = DIAGNOSES.find((group) => !(ages[group] >= 52 && ages[group] <= 92))
  if (odd !== undefined) throw new InputError(`ages: the mean ${ages[odd]} of ${odd} is not from 52 to 92 years`)
  if (!(gamma >= 0.25 && gamma <= 4)) throw new InputError(`gamma ${gamma}: give a number from 0.25 to 4`)
  const amounts = { effect, deformationMm, brightness, regional, noise, ageDeviation, aging, blurMm }
  const limits = {
    effect: 2,
    deformationMm: 6,
    brightness: 0.5,
    regional: 0.3,
    noise: 0.5,
    ageDeviation: 20,
    aging: 5,
    blurMm: 10,
  }
  for (const [name, value] of Object.entries(amounts)) {
    const limit = limits[name as keyof typeof limits]
    if (!(value >= 0 && value <= limit)) throw new InputError(`${name} ${value}: give a number from 0 to ${limit}`)
  }
  return { subjects, seed, groups, ages, gamma, ...amounts }
}

type Ages = Readonly<Record<Diagnosis, number>>

/**
 * A cohort of phantoms. The template is made once (a second or two at 4 mm, several at 1.5 mm); then each subject is made
 * when it is asked for, and memory does not grow with their number.
 * @throws InputError for an option out of its range
 */
export function phantomCohort(options: PhantomOptions = {}): PhantomCohort {
  const settings = checked(options)
  const grid = options.grid ?? defaultGrid(options.voxelMm ?? 4)
  const brain = brainOnGrid(grid)

  const describe = (number: number) => {
    if (!Number.isInteger(number) || number < 0 || number >= settings.subjects) {
      throw new InputError(`subject ${number}: the cohort has subjects 0 to ${settings.subjects - 1}`)
    }
    const diagnosis = settings.groups[number % settings.groups.length]!
    const disease = drawDisease(diagnosis, randomStream(deriveSeed(settings.seed, number, DISEASE)), settings.effect)
    return { participant: drawPerson(number, settings, diagnosis, disease), disease }
  }
  const subject = (number: number): PhantomSubject => {
    const { participant, disease } = describe(number)
    const volumes = makeVolumes(brain, grid, participant, disease, settings, number)
    return { participant, fractions: disease.fractions, ...volumes }
  }
  return {
    grid,
    options: settings,
    template: brain.template,
    atlas: brain.parcellation.atlas,
    labels: REGIONS.map(({ value, name }) => ({ index: value, name })),
    participant: (number) => describe(number).participant,
    subject,
    *subjects() {
      for (let number = 0; number < settings.subjects; number++) yield subject(number)
    },
  }
}

function drawPerson(
  number: number,
  { seed, ages, ageDeviation }: ReturnType<typeof checked>,
  diagnosis: Diagnosis,
  disease: Disease,
): PhantomParticipant {
  const random = randomStream(deriveSeed(seed, number, PERSON))
  const round = (value: number, digits: number) => Number(value.toFixed(digits))
  const sex = random.uniform() < 0.5 ? 'F' : 'M'
  const age = round(Math.min(92, Math.max(52, ages[diagnosis] + ageDeviation * random.normal())), 1)
  const tiv = round(MEAN_TIV_ML[sex] + 105 * random.normal(), 0)
  const loss = (name: string) => round(disease.fractions[REGIONS.findIndex((region) => region.name === name)]!, 4)
  return {
    participant_id: `sub-${String(number + 1).padStart(3, '0')}`,
    age,
    sex,
    diagnosis,
    tiv_ml: tiv,
    subtype: disease.subtype,
    severity: round(disease.severity, 4),
    asymmetry: round(disease.asymmetry, 4),
    hippocampus_loss_left: loss('Hippocampus_L'),
    hippocampus_loss_right: loss('Hippocampus_R'),
  }
}

function makeVolumes(
  { template, parcellation }: Brain,
  grid: Grid,
  { age, sex, tiv_ml }: PhantomParticipant,
  disease: Disease,
  { seed, deformationMm, brightness, regional, noise, aging, blurMm, gamma }: ReturnType<typeof checked>,
  number: number,
): { scan: Volume; atrophy: Volume } {
  const { shape, affine } = grid
  const years = aging * (age - 70)
  const whole = (1 - AGING_PER_YEAR * years) * (tiv_ml / 1475) ** TIV_EXPONENT * (sex === 'F' ? FEMALE_GAIN : 1)
  const own = randomStream(deriveSeed(seed, number, REGIONAL))
  const gains = REGIONS.map((_, r) => {
    const aged = isMedialTemporal[r] ? MEDIAL_TEMPORAL_AGING_PER_YEAR * years : 0
    return regional * own.normal() - aged
  })

  const { first, second, firstWeight, secondWeight } = parcellation
  const intact = new Float32Array(template.data.length)
  const lost = new Float32Array(template.data.length)
  for (let v = 0; v < intact.length; v++) {
    if (template.data[v] === 0) continue
    const a = firstWeight[v]!
    const b = secondWeight[v]!
    const gain = whole * (1 + a * gains[first[v]!]! + b * gains[second[v]!]!)
    intact[v] = template.data[v]! * gain
    lost[v] = intact[v]! * (a * disease.fractions[first[v]!]! + b * disease.fractions[second[v]!]!)
  }

  const form = randomVariation(grid, deriveSeed(seed, number, FORM), deformationMm, brightness)
  const [scan, atrophy] = form.apply([intact, lost]) as [Float32Array, Float32Array]
  if (blurMm > 0) {
    const wide = voxelSize(affine).map((mm) => blurMm / mm) as [number, number, number]
    for (const map of [scan, atrophy]) gaussianBlur(map, shape, wide)
  }
  const grain = normalField(deriveSeed(seed, number, NOISE), scan.length)
  const sigma = NOISE_SIGMA_VOXELS
  const level = noise / gaussianBlur(grain, shape, [sigma, sigma, sigma])
  const contrast = (value: number) => (gamma === 1 ? value : value ** gamma)
  for (let v = 0; v < scan.length; v++) {
    if (scan[v] === 0) continue
    const healthy = Math.min(1, scan[v]!)
    const left = healthy - Math.min(healthy, atrophy[v]!)
    const clean = contrast(left)
    atrophy[v] = gamma === 1 ? Math.min(healthy, atrophy[v]!) : contrast(healthy) - clean
    scan[v] = Math.min(1, Math.max(0, clean + level * Math.min(1, 2 * clean) * grain[v]!))
  }
  return { scan: { shape, affine, data: scan }, atrophy: { shape, affine, data: atrophy } }
}

/** Volume of grey matter in ml: the sum of a map times the volume of a voxel. */
export function greyMatterMl(map: Volume): number {
  const [x, y, z] = voxelSize(map.affine)
  return (map.data.reduce((sum, value) => sum + value, 0) * x * y * z) / 1000
}
