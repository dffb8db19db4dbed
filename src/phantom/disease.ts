/** What each diagnosis takes from which region: the phantom's ground truth. */
import type { RandomStream } from './random.ts'
import { REGIONS } from './regions.ts'

export type Diagnosis = 'CN' | 'MCI' | 'AD'
export type Subtype = 'typical' | 'limbic' | 'hippocampal-sparing'

type Pattern = Readonly<Record<string, number>>

/**
 * Fraction of grey matter that a patient of severity 1 loses, by region name without its side. The three subtypes follow the
 * pattern (not the numbers) of Murray et al., Lancet Neurology 10 (2011) and Ferreira et al., Neurology 94 (2020).
 */
const PATTERNS: Readonly<Record<Subtype, Pattern>> = {
  typical: {
    Hippocampus: 0.36,
    Amygdala: 0.34,
    ParaHippocampal: 0.3,
    Temporal_Pole_Sup: 0.16,
    Temporal_Pole_Mid: 0.18,
    Fusiform: 0.16,
    Temporal_Inf: 0.14,
    Temporal_Mid: 0.1,
    Cingulate_Post: 0.1,
    Precuneus: 0.08,
    Angular: 0.08,
  },
  limbic: {
    Hippocampus: 0.42,
    Amygdala: 0.42,
    ParaHippocampal: 0.34,
    Temporal_Pole_Sup: 0.14,
    Temporal_Pole_Mid: 0.14,
    Fusiform: 0.08,
  },
  'hippocampal-sparing': {
    Hippocampus: 0.14,
    Amygdala: 0.14,
    ParaHippocampal: 0.14,
    Fusiform: 0.16,
    Temporal_Inf: 0.22,
    Temporal_Mid: 0.22,
    Cingulate_Post: 0.22,
    Precuneus: 0.2,
    Angular: 0.24,
    Parietal_Inf: 0.2,
    SupraMarginal: 0.16,
  },
}

/** Share of patients of each subtype. */
const SHARES: readonly (readonly [Subtype, number])[] = [
  ['typical', 0.7],
  ['limbic', 0.18],
  ['hippocampal-sparing', 0.12],
]

const MCI_SEVERITY = 0.5

export interface Disease {
  readonly subtype: Subtype | null
  /** Multiplies every fraction of the pattern; about 1 for AD, 0.5 for MCI, 0 for CN. */
  readonly severity: number
  /** Left losses are multiplied by 1 + asymmetry, right ones by 1 - asymmetry. */
  readonly asymmetry: number
  /** Fraction of grey matter lost by each region of REGIONS, in [0, 0.9]. */
  readonly fractions: Float64Array
}

/** Names of the regions that some subtype of the disease takes grey matter from. */
export const DISEASE_REGIONS: readonly string[] = REGIONS.map((region) => region.name).filter((name) =>
  Object.values(PATTERNS).some((pattern) => baseName(name) in pattern),
)

function baseName(name: string): string {
  return name.replace(/_[LR]$/, '')
}

/**
 * Draws a subject's disease. Every subject uses the same number of draws, whatever the diagnosis.
 * @param effect multiplies all losses (1 as in the table above)
 */
export function drawDisease(diagnosis: Diagnosis, random: RandomStream, effect: number): Disease {
  const draw = random.uniform()
  const spread = Math.min(1.5, Math.max(0.55, 1 + 0.22 * random.normal()))
  const lean = Math.min(0.4, Math.max(-0.4, 0.15 * random.normal()))
  const fractions = new Float64Array(REGIONS.length)
  if (diagnosis === 'CN') return { subtype: null, severity: 0, asymmetry: 0, fractions }
  let below = 0
  const subtype = SHARES.find(([, share]) => draw < (below += share))?.[0] ?? 'typical'
  const severity = spread * (diagnosis === 'MCI' ? MCI_SEVERITY : 1)
  REGIONS.forEach(({ name }, r) => {
    const side = name.endsWith('_L') ? 1 + lean : 1 - lean
    fractions[r] = Math.min(0.9, (PATTERNS[subtype][baseName(name)] ?? 0) * severity * side * effect)
  })
  return { subtype, severity, asymmetry: lean, fractions }
}
