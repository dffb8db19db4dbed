/** Every explanation method by its word, and how words and documents become methods with settings. */
import { InputError } from '../io/errors.ts'
import { readName, readObject, show } from '../model/formats/read-json.ts'
import { gradCam, guidedGradCam } from './cam/grad-cam.ts'
import { deepLift } from './gradient/deep-lift.ts'
import { gradientShap } from './gradient/gradient-shap.ts'
import { deconvolution, guidedBackprop } from './gradient/guided.ts'
import { integratedGradients } from './gradient/integrated-gradients.ts'
import { inputXGradient, saliency } from './gradient/saliency.ts'
import { smoothGrad, smoothGradSquared, varGrad } from './gradient/smooth.ts'
import { lrp } from './lrp/lrp.ts'
import { mask } from './mask-method.ts'
import { type AnyMethod, type Method, type Setting, settingsOf } from './method.ts'
import { atlasOcclusion } from './perturb/atlas-occlusion.ts'
import { occlusion } from './perturb/occlusion.ts'
import { rise } from './perturb/rise.ts'

/** In the order in which tables show them. */
export const methods: readonly AnyMethod[] = [
  mask,
  lrp,
  saliency,
  inputXGradient,
  integratedGradients,
  smoothGrad,
  smoothGradSquared,
  varGrad,
  guidedBackprop,
  deconvolution,
  gradCam,
  guidedGradCam,
  deepLift,
  gradientShap,
  occlusion,
  atlasOcclusion,
  rise,
]

/** Other words for some of them. */
const ALIASES: Readonly<Record<string, string>> = {
  gradient: saliency.name,
  ixg: inputXGradient.name,
  gradientXInput: inputXGradient.name,
  integratedGradients: integratedGradients.name,
  smoothGradSq: smoothGradSquared.name,
  gbp: guidedBackprop.name,
  guidedBackpropagation: guidedBackprop.name,
  deconvnet: deconvolution.name,
  cam: gradCam.name,
  shap: gradientShap.name,
  regionOcclusion: atlasOcclusion.name,
  featureAblation: atlasOcclusion.name,
  perturbation: mask.name,
}

/** A method with everything it is told. */
export interface MethodChoice {
  readonly method: AnyMethod
  /** All of them, defaults filled in. */
  readonly settings: Readonly<Record<string, unknown>>
  /** The settings that were given. */
  readonly given: Readonly<Record<string, unknown>>
  /** What to call its maps, letters and digits; differs among the choices of one list. */
  readonly name: string
}

/** Case, hyphens and underscores make no difference. */
const plain = (word: string) => word.toLowerCase().replace(/[-_\s]/g, '')

/** A method by its word or another word for it. @throws InputError with the words there are */
export function methodByName(word: string): AnyMethod {
  const alias = Object.entries(ALIASES).find(([other]) => plain(other) === plain(word))?.[1] ?? word
  const found = methods.find(({ name }) => plain(name) === plain(alias))
  if (found) return found
  throw new InputError(`no method is called "${word}"; there are ${methods.map(({ name }) => name).join(', ')}`)
}

/** Other words for a method. */
export function otherWords({ name }: AnyMethod): string[] {
  return Object.entries(ALIASES).flatMap(([other, word]) => (word === name ? [other] : []))
}

/**
 * Methods with settings from words: `lrp:epsilonPlus,ig:steps=100:baseline=mean,mask`. Methods are separated by commas,
 * settings follow with colons; a value without a name is for the method's main setting. Lists are joined by x: 8x8x8.
 * @param documents JSON that values of the form @name stand for
 * @throws InputError in one line, naming the word, the setting and what there is
 */
export function parseMethods(text: string, documents: ReadonlyMap<string, unknown> = new Map()): MethodChoice[] {
  return withNames(fromWords(text, documents))
}

function fromWords(text: string, documents: ReadonlyMap<string, unknown> = new Map()): Unnamed[] {
  return text.split(',').map((part) => {
    const [word, ...rest] = part.split(':').map((piece) => piece.trim())
    if (!word) throw new InputError(`"${text}" names no method between its commas`)
    const method = methodByName(word)
    const given = rest.map((piece): Given => {
      const [, name, value] = /^(?:([^=]*)=)?(.*)$/s.exec(piece)!
      if (value === '') throw new InputError(`${word}: "${piece}" says nothing; settings are name=value`)
      return { name: settingName(method, name?.trim(), value!), values: readings(value!, documents), text: value! }
    })
    return choose(method, given)
  })
}

/**
 * The same from a JSON document: a list (or one) of words as above, or {"method": ..., "settings": {...}, "name": ...}, where
 * `name` is what the maps are called.
 * @throws InputError naming what is wrong
 */
export function methodsFromJson(json: unknown): MethodChoice[] {
  const list = Array.isArray(json) ? json : [json]
  if (list.length === 0) throw new InputError('the list of methods is empty')
  return withNames(list.flatMap((entry, k) => (typeof entry === 'string' ? fromWords(entry) : [fromObject(entry, k)])))
}

function fromObject(entry: unknown, k: number): Unnamed {
  const what = `methods[${k}]`
  const { method: word, settings = {}, name, ...others } = readObject(entry, what)
  const unknown = Object.keys(others)[0]
  if (unknown) throw new InputError(`${what} has no field "${unknown}"; known: method, settings, name`)
  const method = methodByName(readName(word, `${what}.method`))
  const chosen = choose(method, givenBy(method, readObject(settings, `${what}.settings`)))
  if (name === undefined) return chosen
  const wanted = readName(name, `${what}.name`)
  if (/^[A-Za-z0-9]+$/.test(wanted)) return { ...chosen, wanted }
  throw new InputError(`${what}.name must be letters and digits, as it becomes part of file names; got ${show(wanted)}`)
}

/** A setting as it was given. */
interface Given {
  readonly name: string
  /** What it may stand for, the likeliest first. */
  readonly values: readonly unknown[]
  readonly text: string
}

interface Unnamed extends Omit<MethodChoice, 'name'> {
  readonly texts: Readonly<Record<string, string>>
  readonly wanted?: string
}

/** Which setting is meant. @param name undefined: the main one */
function settingName(method: AnyMethod, name: string | undefined, value: string): string {
  const known = Object.keys(method.settings)
  const has = known.length > 0 ? `it has ${known.join(', ')}` : 'it has none'
  if (name === undefined) {
    if (method.main) return method.main
    throw new InputError(`${method.name}: which setting is "${value}" for? Give name=value; ${has}`)
  }
  const found = known.find((own) => plain(own) === plain(name))
  if (found === undefined) throw new InputError(`${method.name} has no setting "${name}"; ${has}`)
  return found
}

/** What a text may stand for, the likeliest first: numbers, truth, lists, the text itself. */
function readings(text: string, documents: ReadonlyMap<string, unknown>): unknown[] {
  if (text.startsWith('@')) {
    if (documents.has(text.slice(1))) return [documents.get(text.slice(1))]
    throw new InputError(`"${text}" stands for a JSON document that was not given`)
  }
  const number = (part: string) => (part.trim() === '' ? Number.NaN : Number(part))
  if (Number.isFinite(number(text))) return [number(text), text]
  if (text === 'true' || text === 'false') return [text === 'true', text]
  const parts = text.split('x').map(number)
  return parts.length > 1 && parts.every(Number.isFinite) ? [parts, text] : [text]
}

/** A method with settings by name. @throws InputError naming a setting or value that will not do */
export function chooseMethod(method: AnyMethod, settings: Readonly<Record<string, unknown>>): MethodChoice {
  return withNames([choose(method, givenBy(method, settings))])[0]!
}

function givenBy(method: AnyMethod, settings: Readonly<Record<string, unknown>>): Given[] {
  return Object.entries(settings).map(([name, value]) => {
    const text = typeof value === 'string' ? value : show(value)
    return { name: settingName(method, name, text), values: [value], text }
  })
}

function choose(method: AnyMethod, given: readonly Given[]): Unnamed {
  const read: Record<string, unknown> = {}
  for (const { name, values } of given) {
    if (Object.hasOwn(read, name)) throw new InputError(`${method.name}: the setting ${name} is given twice`)
    const setting = (method.settings as Record<string, Setting<unknown>>)[name]!
    read[name] = firstThatReads(setting, values, `${method.name}:${name}`)
  }
  const texts = Object.fromEntries(given.map(({ name, text }) => [name, text]))
  return { method, given: read, settings: { ...settingsOf<object>(method as Method, read) }, texts }
}

function firstThatReads(setting: Setting<unknown>, values: readonly unknown[], what: string): unknown {
  let refused: unknown
  for (const value of values) {
    try {
      return setting.read(value, what)
    } catch (error) {
      if (!(error instanceof InputError)) throw error
      refused ??= error
    }
  }
  throw refused
}

/** Names for maps: the method's word, with the settings that were given where a method comes more than once. */
function withNames(choices: readonly Unnamed[]): MethodChoice[] {
  const named = choices.map(({ wanted, texts, ...choice }) => {
    const alone = choices.filter(({ method }) => method === choice.method).length === 1
    return { ...choice, name: wanted ?? (alone ? choice.method.name : spelledOut(choice.method, texts)) }
  })
  named.forEach(({ name }, k) => {
    const other = named.findIndex((earlier) => plain(earlier.name) === plain(name))
    if (other < k) {
      throw new InputError(
        `two methods would both be called ${name}; give each once, or a "name" each in a JSON document`,
      )
    }
  })
  return named
}

/** lrp with composite epsilonPlus: lrpEpsilonPlus; ig with 100 steps: igSteps100. */
function spelledOut(method: AnyMethod, texts: Readonly<Record<string, string>>): string {
  const capital = (text: string) => text.charAt(0).toUpperCase() + text.slice(1)
  const letters = (text: string) =>
    text
      .replace(/(\d)\.(\d)/g, '$1p$2')
      .split(/[^A-Za-z0-9]+/)
      .map(capital)
      .join('')
  const parts = Object.entries(texts).map(([name, text]) =>
    name === method.main && !/^[\d.]+$/.test(text) ? letters(text) : capital(name) + letters(text),
  )
  return method.name + parts.join('')
}
