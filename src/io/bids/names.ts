/** File names of BIDS derivatives: entities of a source's name, and the name of what was made of it. */
import { InputError } from '../errors.ts'

/** Entities that volumes of derivatives may have, in the order in which names have them. */
const ENTITIES = [
  ...['sub', 'ses', 'sample', 'task', 'acq', 'ce', 'trc', 'stain', 'rec', 'dir', 'run', 'mod', 'echo', 'flip', 'inv'],
  ...['mt', 'part', 'proc', 'hemi', 'space', 'split', 'recording', 'chunk', 'seg', 'res', 'den', 'label', 'desc'],
] as const

export type Entity = (typeof ENTITIES)[number]
export type Entities = Partial<Record<Entity, string>>

/** What a label may be made of. */
const LABEL = /^[0-9A-Za-z+]+$/

/** A name as a label: its letters and digits. `O'Neil 7` becomes ONeil7; empty where there are none. */
export function labelOf(name: string, prefix = ''): string {
  const bare = name.startsWith(prefix) ? name.slice(prefix.length) : name
  return bare.normalize('NFKD').replace(/[^0-9A-Za-z]/g, '')
}

/**
 * The entities in a file's name. What BIDS does not know (segm-graymatter, modulated-on of Clinica) is left out, and what is
 * no label as well.
 */
export function entitiesOf(file: string): Entities {
  const stem = file.replace(/\.nii(\.gz)?$/i, '')
  const found: Entities = {}
  for (const part of stem.split('_')) {
    const [, key, value] = /^([a-z]+)-(.+)$/.exec(part) ?? []
    if (key !== undefined && (ENTITIES as readonly string[]).includes(key) && LABEL.test(value!)) {
      found[key as Entity] ??= value!
    }
  }
  return found
}

/**
 * Entities of what is made of a grey-matter map: those of its name, sub and ses as they are to be, label GM, no desc.
 * @param file name of a BIDS probseg file, of mwp1* of CAT12, or of a t1-volume map in a CAPS folder
 */
export function sourceEntities(file: string, participant: string, session?: string): Entities {
  const { desc: _, sub: __, ses: ___, ...rest } = entitiesOf(file.replace(/^[a-z]*wp1/, ''))
  return { sub: participant, ...(session !== undefined && { ses: session }), ...rest, label: rest.label ?? 'GM' }
}

/**
 * A name, entities in the order of BIDS: sub-01_ses-2_space-MNI152_label-GM_desc-ig_relevance.
 * @throws InputError for a value that no label may have, or no sub
 */
export function bidsName(entities: Entities, suffix?: string): string {
  if (entities.sub === undefined) throw new InputError('a name of BIDS needs a participant (sub)')
  const parts = ENTITIES.flatMap((key) => {
    const value = entities[key]
    if (value === undefined) return []
    if (!LABEL.test(value)) {
      throw new InputError(`${key}-${value}: labels of BIDS are letters and digits; rename it`)
    }
    return [`${key}-${value}`]
  })
  return [...parts, ...(suffix === undefined ? [] : [suffix])].join('_')
}

/** Folder of a participant's or session's volumes below the data set. */
export function anatFolder({ sub, ses }: Entities): string {
  return [`sub-${sub}`, ...(ses === undefined ? [] : [`ses-${ses}`]), 'anat'].join('/')
}

/** Why a path below a derivative data set is not one that BIDS allows for a volume or its sidecar; undefined where it is. */
export function nameFault(path: string): string | undefined {
  const parts = path.split('/')
  const file = parts.pop()!
  const [, stem, suffix] = /^(.+)_([A-Za-z0-9]+)\.(?:nii\.gz|nii|json|png|tsv)$/.exec(file) ?? []
  if (stem === undefined || suffix === undefined) return `${file} is not <entities>_<suffix>.<ending>`
  let last = -1
  const found: Entities = {}
  for (const part of stem.split('_')) {
    const [, key, value] = /^([a-z]+)-([0-9A-Za-z+]+)$/.exec(part) ?? []
    const place = (ENTITIES as readonly string[]).indexOf(key ?? '')
    if (place < 0) return `${part} in ${file} is no entity of BIDS`
    if (place <= last) return `${part} in ${file} is out of order or there twice`
    last = place
    found[key as Entity] = value!
  }
  if (found.sub === undefined) return `${file} has no sub`
  const folder = anatFolder(found)
  return parts.join('/') === folder ? undefined : `${file} belongs into ${folder}, not ${parts.join('/')}`
}
