/** Regions that a study asks for by name, and what maps amount to in them. */
import type { Atlas, Region } from '../../io/atlas/atlas.ts'
import { sideOf } from '../../io/atlas/sides.ts'
import { InputError } from '../../io/errors.ts'
import type { RegionRow } from '../regions/region-table.ts'

/** One region of a study: one or several of the atlas's. */
export interface ChosenRegion {
  readonly name: string
  /** Places in the atlas. */
  readonly places: readonly number[]
}

/** Case and what stands between words make no difference. */
const plain = (name: string) => name.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, '')

/**
 * Finds regions by words: a region's own name, or its name without the side, which means both sides; several joined by + are one
 * region (hippocampus+amygdala).
 * @throws InputError for a word that is no region, with the nearest names, or two words for one region
 */
export function chooseRegions({ regions }: Pick<Atlas, 'regions'>, words: readonly string[]): ChosenRegion[] {
  const chosen = words.map((name): ChosenRegion => {
    const places = name.split('+').flatMap((part) => placesOf(regions, part.trim()))
    return { name: spelling(regions, name, places), places: [...new Set(places)].sort((a, b) => a - b) }
  })
  const keys = chosen.map(({ places }) => places.join(' '))
  const twice = keys.findIndex((key, n) => keys.indexOf(key) !== n)
  if (twice < 0) return chosen
  throw new InputError(`"${words[keys.indexOf(keys[twice]!)]}" and "${words[twice]}" are the same regions of the atlas`)
}

function placesOf(regions: readonly Region[], word: string): number[] {
  const places = (match: (name: string) => boolean) => regions.flatMap(({ name }, k) => (match(name) ? [k] : []))
  const exact = places((name) => plain(name) === plain(word))
  if (exact.length > 0) return exact
  const sided = places((name) => plain(sideOf(name)?.name ?? '') === plain(word) && plain(word) !== '')
  if (sided.length > 0) return sided
  throw new InputError(
    `the atlas has no region "${word}"; the nearest names are ${nearestNames(regions, word).join(', ')}`,
  )
}

/** As the atlas writes it, where that is one name. */
function spelling(regions: readonly Region[], word: string, places: readonly number[]): string {
  const names = new Set(places.map((k) => regions[k]!.name))
  if (names.size === 1) return [...names][0]!
  const bare = new Set([...names].map((name) => sideOf(name)?.name ?? name))
  return bare.size === 1 ? [...bare][0]! : word
}

/** Names of regions (without their side, where there are two) by how few letters differ, those that contain the word first. */
export function nearestNames(regions: readonly Region[], word: string, count = 5): string[] {
  const names = [...new Set(regions.map(({ name }) => sideOf(name)?.name ?? name))]
  const wanted = plain(word)
  const distance = (name: string) => {
    const own = plain(name)
    const within = wanted !== '' && (own.includes(wanted) || wanted.includes(own))
    return within ? Math.abs(own.length - wanted.length) / 100 : editDistance(own, wanted)
  }
  const sorted = names.map((name) => ({ name, far: distance(name) })).sort((a, b) => a.far - b.far)
  return sorted.slice(0, count).map(({ name }) => name)
}

/** Letters to change, add or take away (Levenshtein). */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, n) => n)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)))
    }
    row = next
  }
  return row[b.length]!
}

/** What can be taken of a map's values in a region. */
export const regionMeasures = {
  positive: 'sum of the positive relevance',
  negative: 'sum of the negative relevance',
  sum: 'sum of the relevance',
  mean: 'mean relevance',
  density: 'relevance per mm³',
  peak: 'peak relevance',
} as const

export type RegionMeasure = keyof typeof regionMeasures

export interface RegionValues extends Readonly<Record<RegionMeasure, number>> {
  readonly voxels: number
  readonly mm3: number
  readonly peakMm?: readonly [number, number, number]
  /** Of the scan, mm3 where it is a map of tissue. */
  readonly volume: number
}

/**
 * Rows of a region table as one region.
 * @param rows of regionTable with the scan given
 */
export function joinRegions(rows: readonly RegionRow[], { places }: ChosenRegion): RegionValues {
  const own = places.map((k) => rows[k]!)
  const total = (of: (row: RegionRow) => number) => own.reduce((sum, row) => sum + of(row), 0)
  const [voxels, mm3] = [total((row) => row.voxels), total((row) => row.mm3)]
  const [positive, negative] = [total((row) => row.positive), total((row) => row.negative)]
  const sum = positive + negative
  const highest = own.reduce((best, row) => (Math.abs(row.peak) > Math.abs(best.peak) ? row : best))
  return {
    voxels,
    mm3,
    positive,
    negative,
    sum,
    mean: voxels > 0 ? sum / voxels : 0,
    density: mm3 > 0 ? sum / mm3 : 0,
    peak: highest.peak,
    ...(highest.peakMm && { peakMm: highest.peakMm }),
    volume: total((row) => row.tissueMm3 ?? 0),
  }
}
