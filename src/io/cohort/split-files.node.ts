/** Folders of splits as ClinicaDL writes them (Node only). */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { InputError } from '../errors.ts'
import { readFileChecked } from '../files.node.ts'
import { compareNatural } from './cohort-labels.ts'
import { type GivenSplit, parseMembers, type SplitMember } from './given-splits.ts'
import { decodeTable } from './table.ts'

/**
 * Reads `split-0/train.tsv`, `split-0/validation.tsv` (or `validation_baseline.tsv`), `split-1/...`, and `test.tsv` (or
 * `test_baseline.tsv`) in each of them, or in the folder itself for all.
 * @throws InputError for a folder without splits, or a split without its two tables
 */
export async function readSplitFolder(folder: string): Promise<GivenSplit[]> {
  const entries = await readdir(folder).catch(() => undefined)
  const names = (entries ?? []).filter((name) => /^split-\d+$/.test(name)).sort(compareNatural)
  if (names.length === 0) {
    const why = entries ? 'holds no folders split-0, split-1, ...' : 'is no folder that can be read'
    throw new InputError(`${folder} ${why}; name the folder that holds them`)
  }
  const common = await readSet(folder, 'test')
  return Promise.all(
    names.map(async (name) => {
      const own = join(folder, name)
      const [train, validation, test] = await Promise.all(
        ['train', 'validation', 'test'].map((set) => readSet(own, set)),
      )
      if (!train || !validation) {
        throw new InputError(`${own} has no ${train ? 'validation.tsv or validation_baseline.tsv' : 'train.tsv'}`)
      }
      return { name, train, validation, test: test ?? common ?? [] }
    }),
  )
}

async function readSet(folder: string, set: string): Promise<SplitMember[] | undefined> {
  const names = await readdir(folder)
  const file = [`${set}.tsv`, `${set}_baseline.tsv`].find((name) => names.includes(name))
  if (file === undefined) return undefined
  const path = join(folder, file)
  return parseMembers(decodeTable(await readFileChecked(path), path), path)
}
