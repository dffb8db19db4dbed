/** The atlas of methods that work region by region. */
import { type Atlas, makeAtlas } from '../io/atlas/atlas.ts'
import { parseRegionNames, type RegionName } from '../io/atlas/region-names.ts'
import { decodeTable } from '../io/cohort/table.ts'
import { readFileChecked, readVolumeFile } from '../io/files.node.ts'
import type { Volume } from '../io/volume.ts'

/**
 * An atlas from a label volume.
 * @param table names of its labels; default: the file of that name beside it (.tsv, .csv, .txt, .xml), or the labels' numbers
 * @throws InputError for files that cannot be read, or labels without a name
 */
export async function openAtlas(path: string, table?: string): Promise<Atlas> {
  const volume = await readVolumeFile(path)
  const text = table === undefined ? await tableBeside(path) : { path: table, bytes: await readFileChecked(table) }
  const names = text ? parseRegionNames(decodeTable(text.bytes, text.path), text.path) : numbersOf(volume)
  return makeAtlas(volume, names, path)
}

async function tableBeside(path: string): Promise<{ path: string; bytes: Uint8Array } | undefined> {
  const stem = path.replace(/\.nii(\.gz)?$/i, '')
  for (const ending of ['.tsv', '.csv', '.txt', '.nii.txt', '.xml']) {
    const bytes = await readFileChecked(stem + ending).catch(() => undefined)
    if (bytes) return { path: stem + ending, bytes }
  }
  return undefined
}

function numbersOf({ data }: Volume): RegionName[] {
  const values = [...new Set(Array.from(data, (value) => Math.round(value)))].filter((value) => value > 0)
  return values.sort((a, b) => a - b).map((value) => ({ value, name: `label ${value}` }))
}
