/** The rules of linear layers by name, and composites: which layer gets which rule. Reads both from untrusted JSON. */
import { InputError } from '../../io/errors.ts'
import { listOf, numberWithin, readName, readObject, show } from '../../model/formats/read-json.ts'
import type { Layer } from '../../model/layer.ts'

/** A rule of a linear layer; formulas in rules.ts. */
export type RuleSpec =
  | { readonly rule: 'epsilon'; readonly epsilon?: number }
  | { readonly rule: 'alphaBeta'; readonly alpha: number; readonly beta: number }
  | { readonly rule: 'gamma'; readonly gamma: number }
  | { readonly rule: 'zBox'; readonly low?: number; readonly high?: number }
  | { readonly rule: 'zPlus' | 'wSquare' | 'flat' | 'norm' | 'pass' }

/** Which linear layers an entry is for; all conditions hold. */
export interface Selector {
  /** The layer's name. */
  readonly layer?: string
  /** 'conv' (conv3d and convTranspose3d), 'linear' (and dense), or a layer type. */
  readonly type?: string
  /** The first, or the last, in the network's order of those that meet the other conditions. */
  readonly first?: boolean
  readonly last?: boolean
}

export type CompositeEntry = Selector & RuleSpec

/** zennit's formulas, or those of iNNvestigate 1.0. */
export type Dialect = 'zennit' | 'innvestigate'

export interface Composite {
  /** The first entry that selects a layer gives its rule. */
  readonly rules: readonly CompositeEntry[]
  /** Of Epsilon rules that name none. */
  readonly epsilon: number
  /** Of all other denominators. */
  readonly stabilizer: number
  readonly dialect: Dialect
}

const ALPHA1: RuleSpec = { rule: 'alphaBeta', alpha: 1, beta: 0 }
const ALPHA2: RuleSpec = { rule: 'alphaBeta', alpha: 2, beta: 1 }
const EPSILON_DENSE: CompositeEntry = { type: 'dense', rule: 'epsilon' }
const zennit = { epsilon: 1e-6, stabilizer: 1e-6, dialect: 'zennit' } as const

/** iNNvestigate's sequential presets; stabilizer is Keras's epsilon. */
function preset(conv: RuleSpec, flat: boolean, epsilon = 0.1): Composite {
  const first: CompositeEntry[] = flat ? [{ type: 'linear', first: true, rule: 'flat' }] : []
  const rules = [...first, EPSILON_DENSE, { type: 'conv', ...conv }]
  return { rules, epsilon, stabilizer: 1e-7, dialect: 'innvestigate' }
}

/**
 * Built-in composites. The first five are zennit's; `epsilon` is the Epsilon rule everywhere; the presets are iNNvestigate
 * 1.0's, A with alpha 1 beta 0 and B with alpha 2 beta 1 on convolutions; `dyrba` is preset A with the epsilon of Dyrba et
 * al. 2021.
 */
export const composites = {
  epsilonPlus: { ...zennit, rules: [{ type: 'conv', rule: 'zPlus' }, EPSILON_DENSE] },
  epsilonAlpha2Beta1: { ...zennit, rules: [{ type: 'conv', ...ALPHA2 }, EPSILON_DENSE] },
  epsilonPlusFlat: {
    ...zennit,
    rules: [{ type: 'linear', first: true, rule: 'flat' }, { type: 'conv', rule: 'zPlus' }, EPSILON_DENSE],
  },
  epsilonAlpha2Beta1Flat: {
    ...zennit,
    rules: [{ type: 'linear', first: true, rule: 'flat' }, { type: 'conv', ...ALPHA2 }, EPSILON_DENSE],
  },
  epsilonGammaBox: {
    ...zennit,
    rules: [{ type: 'conv', first: true, rule: 'zBox' }, { type: 'conv', rule: 'gamma', gamma: 0.25 }, EPSILON_DENSE],
  },
  epsilon: { ...zennit, rules: [{ type: 'linear', rule: 'epsilon' }] },
  dyrba: preset(ALPHA1, false, 1e-10),
  sequentialPresetA: preset(ALPHA1, false),
  sequentialPresetB: preset(ALPHA2, false),
  sequentialPresetAFlat: preset(ALPHA1, true),
  sequentialPresetBFlat: preset(ALPHA2, true),
} as const satisfies Record<string, Composite>

export type CompositeName = keyof typeof composites

/** What rules can be told, beside their name: each must be a number in this range. */
const PARAMETERS: Readonly<Record<RuleSpec['rule'], Readonly<Record<string, readonly [number, number]>>>> = {
  epsilon: { epsilon: [0, 1e6] },
  alphaBeta: { alpha: [0, 1e6], beta: [0, 1e6] },
  gamma: { gamma: [0, 1e6] },
  zBox: { low: [-3e38, 3e38], high: [-3e38, 3e38] },
  zPlus: {},
  wSquare: {},
  flat: {},
  norm: {},
  pass: {},
}

const DEFAULTS: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  alphaBeta: { alpha: 2, beta: 1 },
  gamma: { gamma: 0.25 },
}

function readEntry(value: unknown, what: string): CompositeEntry {
  const json = readObject(value, what)
  const rule = readName(json.rule, `${what}.rule`)
  if (!Object.hasOwn(PARAMETERS, rule)) {
    throw new InputError(`${what}.rule ${show(rule)} is unknown; known: ${Object.keys(PARAMETERS).join(', ')}`)
  }
  const ranges = PARAMETERS[rule as RuleSpec['rule']]
  const entry: Record<string, unknown> = { rule, ...DEFAULTS[rule] }
  for (const [key, given] of Object.entries(json)) {
    const name = `${what}.${key}`
    if (key === 'rule') continue
    else if (key === 'layer' || key === 'type') entry[key] = readName(given, name)
    else if (key === 'first' || key === 'last') {
      if (typeof given !== 'boolean') throw new InputError(`${name} must be true or false, got ${show(given)}`)
      entry[key] = given
    } else if (Object.hasOwn(ranges, key)) entry[key] = numberWithin(...ranges[key]!)(given, name)
    else {
      const known = ['layer', 'type', 'first', 'last', ...Object.keys(ranges)].join(', ')
      throw new InputError(`${what} (${rule}) has no setting "${key}"; known: ${known}`)
    }
  }
  const { alpha, beta, low, high } = entry as Record<string, number | undefined>
  if (rule === 'alphaBeta' && Math.abs(alpha! - beta! - 1) > 1e-9) {
    throw new InputError(`${what}: alpha - beta must be 1, got ${alpha} - ${beta}`)
  }
  if (low !== undefined && high !== undefined && low > high) {
    throw new InputError(`${what}: low ${low} is larger than high ${high}`)
  }
  return entry as unknown as CompositeEntry
}

/**
 * A composite by its name, or as JSON (an object, or its text):
 * { "rules": [{ "layer": "conv1", "rule": "zBox", "low": 0, "high": 1 }, { "type": "conv", "rule": "gamma" }],
 *   "base": "epsilonPlus", "epsilon": 1e-6, "stabilizer": 1e-6, "dialect": "zennit" }
 * The first entry that selects a layer gives its rule; layers that no entry selects follow `base`, by default epsilonPlus.
 * @throws InputError naming the entry and the value that is wrong
 */
export function readComposite(value: unknown, what = 'composite'): Composite {
  if (typeof value === 'string' && value.trimStart().startsWith('{')) {
    let json: unknown
    try {
      json = JSON.parse(value)
    } catch (error) {
      throw new InputError(`${what} is not JSON: ${(error as Error).message}`)
    }
    return readComposite(json, what)
  }
  if (typeof value === 'string') return named(value, what)
  const json = readObject(value, what)
  const known = ['rules', 'base', 'epsilon', 'stabilizer', 'dialect']
  const other = Object.keys(json).find((key) => !known.includes(key))
  if (other !== undefined) throw new InputError(`${what} has no setting "${other}"; known: ${known.join(', ')}`)
  const base = named(json.base === undefined ? 'epsilonPlus' : readName(json.base, `${what}.base`), `${what}.base`)
  const positive = numberWithin(0, 1e6)
  return {
    rules: [...listOf(readEntry)(json.rules ?? [], `${what}.rules`), ...base.rules],
    epsilon: json.epsilon === undefined ? base.epsilon : positive(json.epsilon, `${what}.epsilon`),
    stabilizer: json.stabilizer === undefined ? base.stabilizer : positive(json.stabilizer, `${what}.stabilizer`),
    dialect: json.dialect === undefined ? base.dialect : readDialect(json.dialect, `${what}.dialect`),
  }
}

function named(name: string, what: string): Composite {
  if (Object.hasOwn(composites, name)) return composites[name as CompositeName]
  throw new InputError(
    `${what} ${show(name)} is unknown; known: ${Object.keys(composites).join(', ')}, or a JSON object`,
  )
}

export function readDialect(value: unknown, what: string): Dialect {
  if (value === 'zennit' || value === 'innvestigate') return value
  throw new InputError(`${what} must be "zennit" or "innvestigate", got ${show(value)}`)
}

const CONVOLUTIONS = ['conv3d', 'convTranspose3d']
export const LINEAR = [...CONVOLUTIONS, 'dense']

function isOfType(layer: Layer, type: string | undefined): boolean {
  if (type === undefined || type === 'linear') return LINEAR.includes(layer.type)
  return type === 'conv' ? CONVOLUTIONS.includes(layer.type) : layer.type === type
}

/**
 * The rule of every linear layer, by the layer's name.
 * @throws InputError for an entry that names a layer which the network does not have, or which is not linear
 */
export function assignRules(composite: Composite, layers: readonly Layer[]): Map<string, RuleSpec> {
  const linear = layers.filter((layer) => LINEAR.includes(layer.type))
  const chosen = composite.rules.map((entry) => {
    if (entry.layer !== undefined && !linear.some(({ name }) => name === entry.layer)) {
      const found = layers.find(({ name }) => name === entry.layer)
      throw new InputError(
        found
          ? `the composite gives layer "${found.name}" the rule ${entry.rule}, but it is a ${found.type}: rules are for ${LINEAR.join(', ')}`
          : `the composite names the layer "${entry.layer}", which the network does not have`,
      )
    }
    const fits = linear.filter((l) => (entry.layer ?? l.name) === l.name && isOfType(l, entry.type))
    if (entry.first) return new Set(fits.slice(0, 1))
    return new Set(entry.last ? fits.slice(-1) : fits)
  })
  return new Map(
    linear.map((layer) => {
      const k = chosen.findIndex((set) => set.has(layer))
      if (k < 0) throw new InputError(`the composite has no rule for layer "${layer.name}" (${layer.type})`)
      return [layer.name, composite.rules[k]!]
    }),
  )
}
