/** Small data sets in the layouts of BIDS derivatives, CAT12 and CAPS, and what is to be asked of an output (Node only). */
import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { initialise } from '../../src/model/architectures.ts'
import { type Network, validateDescription } from '../../src/model/description.ts'
import { saveNetwork } from '../../src/model/formats/format.ts'
import { plainRecipe } from '../../src/model/recipe/recipe.ts'
import { type Place, SIZE, tinyScan } from './cli.ts'

/** One dense layer: nothing to compile. */
export function lineNetwork(seed = 5): Network {
  const layers = [
    { name: 'flat', type: 'flatten' },
    { name: 'out', type: 'dense', units: 2 },
  ]
  const recipe = { ...plainRecipe(2), classes: ['CN', 'AD'] }
  const head = { format: 'voxplain-network', version: 1, name: 'line', output: 'logits' }
  return initialise(validateDescription({ ...head, input: [1, ...SIZE], layers, recipe }), seed)
}

export const writeLine = (place: Place, seed?: number, name = 'line.safetensors') =>
  place.file(name, saveNetwork(lineNetwork(seed)))

export const text = (place: Place, name: string, content: string) => place.file(name, new TextEncoder().encode(content))

/** sub-01 to sub-<count> with a grey-matter map each, and a table of them. @returns the folder */
export async function bidsData(place: Place, name: string, count: number): Promise<string> {
  const ids = Array.from({ length: count }, (_, k) => `sub-${String(k + 1).padStart(2, '0')}`)
  for (const [k, id] of ids.entries()) {
    await place.scan(`${name}/${id}/anat/${id}_space-MNI152_desc-smooth_label-GM_probseg.nii.gz`, tinyScan(k + 1))
  }
  const rows = ids.map((id, k) => `${id}\t${60 + k}\t${k % 2 ? 'F' : 'M'}\t${k % 2 ? 'AD' : 'CN'}\n`)
  await text(place, `${name}/participants.tsv`, `participant_id\tage\tsex\tdiagnosis\n${rows.join('')}`)
  const about = { Name: 'Test', BIDSVersion: '1.8.0', DatasetType: 'derivative', DatasetDOI: 'doi:10.1/x' }
  await text(place, `${name}/dataset_description.json`, JSON.stringify(about))
  return join(place.folder, name)
}

/** Hash of every file of an output, but for what is only about the work. */
export async function resultsOf(folder: string): Promise<Record<string, string>> {
  const names = await filesOf(folder)
  const own = names.filter((name) => !name.startsWith('.voxplain'))
  const hashes = own.map(async (name) => {
    return [
      name,
      createHash('sha256')
        .update(await readFile(join(folder, name)))
        .digest('hex')
        .slice(0, 16),
    ] as const
  })
  return Object.fromEntries(await Promise.all(hashes))
}

/** All files below a folder, sorted, with slashes. */
export async function filesOf(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => !entry.isDirectory())
  return files.map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1)).sort()
}

/** What a run that was killed may have left. */
export const leftovers = async (folder: string) =>
  (await filesOf(folder)).filter((name) => /\.tmp$|claims\//.test(name))

export const readJson = async (...path: string[]) => JSON.parse(await readFile(join(...path), 'utf8'))
