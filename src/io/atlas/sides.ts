/** Regions of the left and the right half of the brain as one. */
import type { Atlas, Region } from './atlas.ts'

/** How atlases mark a side, with what is around it: AAL, Harvard-Oxford and FSL, FreeSurfer, HCP-MMP (L_V1_ROI), surfaces. */
const MARKS = [
  /^()(left|right)[-_. ]+(.+)$/i,
  /^()([lr]h)[-_.](.+)$/i,
  /^()([LR])[-_. ](.+)$/,
  /^(ctx[-_]|wm[-_])([lr]h)[-_](.+)$/i,
  /^(.+)[-_. ](left|right)()$/i,
  /^(.+)[-_.]([lr]h)()$/i,
  /^(.+)[-_. ]([LR])()$/,
]

/** A region's name without its side, and the side; undefined where the name has none. */
export function sideOf(name: string): { readonly name: string; readonly side: 'left' | 'right' } | undefined {
  for (const mark of MARKS) {
    const match = mark.exec(name)
    if (match) return { name: `${match[1]}${match[3]}`, side: /^l/i.test(match[2]!) ? 'left' : 'right' }
  }
  return undefined
}

/**
 * The atlas with each pair of a left and a right region merged into one under the name without the side. Regions that have no
 * partner keep their names.
 */
export function mergeSides(atlas: Atlas): Atlas {
  const sides = atlas.regions.map(({ name }) => sideOf(name))
  const paired = (k: number) =>
    sides.some((other) => other?.name === sides[k]?.name && other && other.side !== sides[k]!.side)
  const merged = new Map<string, Region>()
  const names = atlas.regions.map(({ name, values }, k) => {
    // A pair's name may be that of a third region, which then stays apart.
    const key = sides[k] && paired(k) ? `pair ${sides[k]!.name}` : `one ${k}`
    const before = merged.get(key)
    const region = key.startsWith('pair') ? sides[k]!.name : name
    merged.set(key, { name: region, values: [...(before?.values ?? []), ...values] })
    return key
  })
  const places = [...merged.keys()]
  const renamed = Uint16Array.of(0, ...names.map((key) => places.indexOf(key) + 1))
  return { ...atlas, labels: atlas.labels.map((label) => renamed[label]!), regions: [...merged.values()] }
}
