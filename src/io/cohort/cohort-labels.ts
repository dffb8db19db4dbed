/** From the labels of a table (AD, MCI, CN, ...) to the classes of a network, in a fixed order. */
import { InputError } from '../errors.ts'

export interface LabelMapping {
  /** Class names; a class's index is its place here. */
  readonly classes: readonly string[]
  /** Class of each label; several labels may share one. */
  readonly classOf: ReadonlyMap<string, string>
}

/** Labels that mean healthy, and those that mean the disease, in lower case. What is neither lies between. */
const CONTROLS = new Set(['cn', 'hc', 'nc', 'nl', 'control', 'controls', 'healthy', 'normal', 'con', 'ctl', 'ctrl'])
const PATIENTS = new Set(['ad', 'dementia', 'alzheimer', 'patient', 'patients', 'case', 'cases', 'disease'])

const DENIALS = new Set(['no', 'non', 'not', 'without', 'negative'])

/**
 * Names in the order of a network's outputs: controls first, so that a later class is a disease as in most published
 * networks; AD, dementia or patients last; others between, each kind in natural order. Names of several words count by
 * a word (`healthy control`, `Alzheimer's disease`), behind those that are known as they are. Does not depend on rows.
 */
export function orderClasses(names: Iterable<string>): string[] {
  const rank = (name: string) => {
    const lower = name.toLowerCase()
    if (CONTROLS.has(lower)) return 0
    if (PATIENTS.has(lower)) return 4
    const words = lower.split(/[^\p{L}]+/u)
    if (words.some((word) => DENIALS.has(word))) return 2
    return words.some((word) => CONTROLS.has(word)) ? 1 : words.some((word) => PATIENTS.has(word)) ? 3 : 2
  }
  return [...new Set(names)].sort((a, b) => rank(a) - rank(b) || compareNatural(a, b))
}

/** Order of texts with numbers in them: M6 before M12. By code unit otherwise, so the same on every machine. */
export function compareNatural(a: string, b: string): number {
  const split = (text: string) => text.match(/\d+|\D+/g) ?? []
  const [left, right] = [split(a), split(b)]
  for (let k = 0; k < Math.min(left.length, right.length); k++) {
    const [x, y] = [left[k]!, right[k]!]
    if (x === y) continue
    const both = /^\d/.test(x) && /^\d/.test(y)
    if (both && Number(x) !== Number(y)) return Number(x) - Number(y)
    return x < y ? -1 : 1
  }
  return left.length - right.length
}

/**
 * Reads a mapping such as `AD=1,CN=0` or `AD=patient,MCI=patient,CN=control`. With numbers, they are the places of the
 * classes (0, 1, ...) and a class is named after its labels (`AD+MCI`); with names, orderClasses gives the places.
 * @throws InputError naming the part that will not do
 */
export function parseLabelMapping(text: string): LabelMapping {
  const pairs = text.split(',').map((part) => {
    const at = part.lastIndexOf('=')
    const [label, target] = at < 0 ? ['', ''] : [part.slice(0, at).trim(), part.slice(at + 1).trim()]
    if (label === '' || target === '') {
      throw new InputError(`label mapping "${text}": "${part}" is not of the form LABEL=CLASS, for example AD=1,CN=0`)
    }
    return { label, target }
  })
  for (const { label } of pairs) {
    if (pairs.filter((pair) => pair.label === label).length > 1) {
      throw new InputError(`label mapping "${text}": the label "${label}" is mapped twice; name each label once`)
    }
  }
  const targets = [...new Set(pairs.map(({ target }) => target))]
  if (!targets.every((target) => /^\d+$/.test(target))) {
    return { classes: orderClasses(targets), classOf: new Map(pairs.map(({ label, target }) => [label, target])) }
  }
  const labelsOf = targets.map((_, k) => pairs.filter(({ target }) => target === String(k)).map(({ label }) => label))
  const absent = labelsOf.findIndex((labels) => labels.length === 0)
  if (absent >= 0) {
    throw new InputError(
      `label mapping "${text}": ${targets.length} classes are numbered 0 to ${targets.length - 1}, but none is ${absent}`,
    )
  }
  const classes = labelsOf.map((labels) => labels.join('+'))
  return { classes, classOf: new Map(pairs.map(({ label, target }) => [label, classes[Number(target)]!])) }
}

/** The mapping of each label to a class of its own, in the order given. */
export function identityMapping(classes: readonly string[]): LabelMapping {
  return { classes, classOf: new Map(classes.map((name) => [name, name])) }
}
