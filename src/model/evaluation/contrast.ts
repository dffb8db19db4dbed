/** Patients against controls out of predictions: which rows take part, and how each scores. */
import { InputError } from '../../io/errors.ts'
import type { PredictionRow, Predictions } from './predictions.ts'

/** Two kinds of labels to tell apart. */
export interface Contrast {
  /** `AD vs CN` */
  readonly name: string
  /** Labels of patients. */
  readonly positive: readonly string[]
  /** Labels of controls. */
  readonly negative: readonly string[]
}

/**
 * Reads `AD:CN`, or with several labels on a side `AD+MCI:CN`.
 * @throws InputError for another form, or a label on both sides
 */
export function parseContrast(text: string): Contrast {
  const sides = text.split(':').map((side) => side.split('+').map((label) => label.trim()))
  const [positive, negative] = sides
  if (!positive || !negative || sides.length > 2 || sides.flat().includes('')) {
    throw new InputError(`"${text}" is not a contrast; write patients:controls, for example AD:CN or AD+MCI:CN`)
  }
  const both = positive.find((label) => negative.includes(label))
  if (both !== undefined) throw new InputError(`the contrast "${text}" has ${both} on both sides`)
  return { name: `${positive.join('+')} vs ${negative.join('+')}`, positive, negative }
}

/**
 * The contrasts of a network when nobody names any: each later class against the first (by convention the controls), and
 * with more than two classes each against all others.
 */
export function defaultContrasts(classes: readonly string[]): Contrast[] {
  const [first, ...others] = classes
  const pairs = others.map((name) => ({ name: `${name} vs ${first}`, positive: [name], negative: [first!] }))
  if (classes.length < 3) return pairs
  const rest = (name: string) => classes.filter((other) => other !== name)
  return [...pairs, ...classes.map((name) => ({ name: `${name} vs rest`, positive: [name], negative: rest(name) }))]
}

/** Contrasts of classes, told in the labels that tables have, of which several may make a class. */
export function contrastsInLabels(
  contrasts: readonly Contrast[],
  labels: Iterable<string>,
  classOf: ReadonlyMap<string, string> = new Map(),
): Contrast[] {
  const known = [...new Set(labels)]
  const labelsOf = (name: string) => {
    const own = known.filter((label) => (classOf.get(label) ?? label) === name)
    return own.length > 0 ? own : [name]
  }
  return contrasts.map(({ name, positive, negative }) => {
    return { name, positive: positive.flatMap(labelsOf), negative: negative.flatMap(labelsOf) }
  })
}

export interface ContrastSamples {
  /** Rows whose true label is on one of the two sides. */
  readonly rows: readonly PredictionRow[]
  readonly positive: readonly boolean[]
  /** Probability of the positive side when only the two sides are possible: P+ / (P+ + P-). */
  readonly scores: readonly number[]
  /** log(P+ / P-): in the same order as the scores, without their ties near 1. May be infinite. */
  readonly logOdds: readonly number[]
}

/**
 * The samples of a contrast. P+ and P- are summed over the classes of either side, and probabilities of other classes do not
 * count: with more than two classes this is the network's answer given that one of the two sides is true. Where no label of
 * a side is a class of the network (MCI vs CN for a network of CN and AD), that side is all classes that are not of the other.
 *
 * @param classOf class of a label, where labels were grouped for training (MCI trained as patient). Default: its own name
 * @throws InputError when no label of either side is a class, or both sides have the same class
 */
export function contrastSamples(
  { classes, rows }: Predictions,
  contrast: Contrast,
  classOf: ReadonlyMap<string, string> = new Map(),
): ContrastSamples {
  const places = (labels: readonly string[]) => {
    const names = labels.map((label) => classOf.get(label) ?? label)
    return new Set([...classes.keys()].filter((k) => names.includes(classes[k]!)))
  }
  const others = (own: ReadonlySet<number>) => new Set([...classes.keys()].filter((k) => !own.has(k)))
  const [ofPositive, ofNegative] = [places(contrast.positive), places(contrast.negative)]
  if (ofPositive.size + ofNegative.size === 0) {
    const named = [...contrast.positive, ...contrast.negative].join(', ')
    throw new InputError(`the contrast ${contrast.name}: none of ${named} is a class; classes: ${classes.join(', ')}`)
  }
  const up = ofPositive.size > 0 ? ofPositive : others(ofNegative)
  const down = ofNegative.size > 0 ? ofNegative : others(ofPositive)
  const shared = [...up].find((k) => down.has(k))
  if (shared !== undefined) {
    throw new InputError(`the contrast ${contrast.name}: both sides are the network's class ${classes[shared]}`)
  }
  const members = rows.filter(
    ({ trueLabel }) =>
      trueLabel !== undefined && (contrast.positive.includes(trueLabel) || contrast.negative.includes(trueLabel)),
  )
  const total = (row: PredictionRow, side: ReadonlySet<number>) =>
    row.probabilities.reduce((sum, p, k) => (side.has(k) ? sum + p : sum), 0)
  const pairs = members.map((row) => [total(row, up), total(row, down)] as const)
  return {
    rows: members,
    positive: members.map(({ trueLabel }) => contrast.positive.includes(trueLabel!)),
    // Neither side is probable at all: nothing speaks for one of them.
    scores: pairs.map(([p, q]) => (p + q > 0 ? p / (p + q) : 0.5)),
    logOdds: pairs.map(([p, q]) => (p + q > 0 ? Math.log(p) - Math.log(q) : 0)),
  }
}
