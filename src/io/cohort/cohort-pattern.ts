/**
 * Patterns of paths below a folder: `{sub}/[{ses}/]anat/*_label-GM*_probseg.nii[.gz]`. `*` and `?` stand for any
 * characters within a name, `**` for any number of folders, `[...]` for what may be there or not, and `{...}` for the row.
 * What a row puts in is taken letter by letter, so a name in a table can neither match more nor lead elsewhere.
 */
import { InputError } from '../errors.ts'

/** One step of a path: a name, a pattern of names, or any number of folders. */
export type PatternStep = { readonly name: string } | { readonly names: RegExp } | 'any folders'

/** What a row puts into a pattern. */
export interface PatternRow {
  readonly participant: string
  readonly session?: string
}

/** Places that a row fills: its names as the table has them, and with the `sub-` and `ses-` of BIDS. */
const PLACES: Readonly<Record<string, (row: PatternRow) => string | undefined>> = {
  participant: (row) => row.participant,
  sub: (row) => prefixed('sub-', row.participant),
  session: (row) => row.session,
  ses: (row) => row.session && prefixed('ses-', row.session),
}

const prefixed = (prefix: string, name: string) => (name.startsWith(prefix) ? name : prefix + name)

/** Grey-matter maps of BIDS derivatives (fMRIPrep, ...), in a template's space rather than the participant's own. */
export const BIDS_PATTERNS = [
  // The project's own phantom, which has maps of atrophy beside the scans.
  '{sub}/anat/*_desc-phantom_label-GM_probseg.nii[.gz]',
  '{sub}/[{ses}/]anat/*_space-*_label-GM*_probseg.nii[.gz]',
  '{sub}/[{ses}/]anat/*_label-GM*_probseg.nii[.gz]',
  // CAT12: modulated, normalised grey matter.
  '{sub}/[{ses}/]**/mwp1*.nii[.gz]',
  '[mri/]mwp1*{participant}*.nii[.gz]',
]

/** Grey-matter maps of Clinica's t1-volume pipeline in its two layouts: after DARTEL, and after segmentation alone. */
export function capsPatterns(modulated: 'on' | 'off', fwhm?: number): string[] {
  const smoothing = fwhm === undefined ? '' : `_fwhm-${fwhm}mm`
  const file = `*_segm-graymatter_space-*_modulated-${modulated}${smoothing}_probability.nii[.gz]`
  const folders = ['dartel/*', 'segmentation/normalized_space']
  return folders.map((folder) => `[subjects/]{sub}/{ses}/t1/spm/${folder}/${file}`)
}

/**
 * A pattern as a user writes it, made complete: `sub-*` and `ses-*` stand for the row's own, and a pattern that says
 * nothing of the participant is looked for anywhere in the participant's folder.
 * @throws InputError for an absolute pattern, one with `..`, or a place or bracket that will not do
 */
export function completePattern(pattern: string): string {
  const refuse = (why: string) => new InputError(`pattern "${pattern}" ${why}`)
  if (pattern.trim() === '') throw refuse('is empty; write one such as *_label-GM*_probseg.nii.gz')
  if (/^[/\\]|^[a-z]:/i.test(pattern) || pattern.split(/[/\\]/).includes('..')) {
    throw refuse('would lead out of its folder; write it relative to the folder and without ..')
  }
  if (/\[[^\]]*(\[|$)|^[^[]*\]|\][^[]*\]/.test(pattern)) {
    throw refuse('has brackets that do not pair; [...] stands for what may be there or not')
  }
  const unknown = [...pattern.matchAll(/\{([^}]*)\}?/g)].find(
    ([text, place]) => !text.endsWith('}') || !Object.hasOwn(PLACES, place!),
  )
  if (unknown) throw refuse(`has no place "${unknown[0]}"; there are {participant}, {session}, {sub} and {ses}`)
  if (/\{(participant|sub)\}/.test(pattern)) return pattern
  const own = pattern.replace(/(^|\/|\[)sub-\*/, '$1{sub}').replace(/(^|\/|\[)ses-\*/, '$1{ses}')
  return own.includes('{sub}') ? own : `{sub}/[{ses}/]**/${pattern}`
}

/**
 * All paths that a complete pattern stands for, for one row. A bracket about a session is filled where the row has one,
 * and optional where it has none; then any session will do.
 */
export function expandPattern(pattern: string, row: PatternRow): PatternStep[][] {
  const bracket = /\[([^\]]*)\]/.exec(pattern)
  if (bracket) {
    const [whole, inside] = [bracket[0], bracket[1]!]
    const [before, after] = [pattern.slice(0, bracket.index), pattern.slice(bracket.index + whole.length)]
    const filled = expandPattern(before + inside + after, row)
    const needed = row.session !== undefined && /\{ses(sion)?\}/.test(inside)
    return needed ? filled : [...expandPattern(before + after, row), ...filled]
  }
  return [
    pattern
      .split('/')
      .filter((step) => step !== '' && step !== '.')
      .map((step) => compileStep(step, row)),
  ]
}

function compileStep(step: string, row: PatternRow): PatternStep {
  if (step === '**') return 'any folders'
  const parts = step.split(/(\*+|\?|\{[^}]*\})/).filter((part) => part !== '')
  let plain = true
  const sources = parts.map((part) => {
    const place = /^\{(.*)\}$/.exec(part)?.[1]
    const text = place === undefined ? part : PLACES[place]!(row)
    if (place !== undefined && text !== undefined) return { text, source: wholeName(text) }
    plain &&= !/^(\*+|\?)$/.test(part) && text !== undefined
    // A place that the row leaves open: any session.
    if (text === undefined) return { text: '', source: place === 'ses' ? 'ses-[^/]*' : '[^/]*' }
    return { text, source: part.startsWith('*') ? '[^/]*' : part === '?' ? '[^/]' : literally(text) }
  })
  if (plain) return { name: sources.map(({ text }) => text).join('') }
  return { names: new RegExp(`^${sources.map(({ source }) => source).join('')}$`) }
}

/** Letter by letter, and not as a piece of a longer name: sub-1 is not in sub-10, nor 01 in 101. */
function wholeName(name: string): string {
  const before = /^\d/.test(name) ? '(?<!\\d)' : ''
  const after = /\d$/.test(name) ? '(?!\\d)' : '(?![A-Za-z0-9])'
  return `${before}${literally(name)}${after}`
}

function literally(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
}
