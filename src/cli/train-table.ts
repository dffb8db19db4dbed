/** A participants table as training samples. */
import { dirname, resolve } from 'node:path'
import { InputError } from '../io/errors.ts'
import { readFileChecked, readVolumeFile } from '../io/files.node.ts'
import { parseTsv } from '../io/tsv.ts'
import { applyRecipe, inputShape, type Recipe } from '../model/recipe/recipe.ts'
import { inMemory, type Samples, shuffled } from '../model/training/train-data.ts'
import { requireFiles } from './scans.ts'

export interface Row {
  readonly participant: string
  readonly scan: string
  /** Index of the class. */
  readonly label: number
}

export interface Table {
  readonly classes: readonly string[]
  readonly rows: readonly Row[]
  /** Rows of other classes. */
  readonly leftOut: number
}

interface Columns {
  /** Column of the class. */
  label: string
  /** Column of the scan's path. */
  path: string
  /** Default: those of the table in the order of their first rows. */
  classes?: readonly string[]
}

/**
 * The rows of a participants table. Scans are looked for, not read.
 * @throws InputError for a column, class or scan that is not there
 */
export async function readTable(file: string, columns: Columns): Promise<Table> {
  const { columns: names, rows } = parseTsv(new TextDecoder().decode(await readFileChecked(file)), file)
  for (const column of [columns.label, columns.path]) {
    if (!names.includes(column)) throw new InputError(`${file} has no column "${column}"; it has ${names.join(', ')}`)
  }
  const labels = rows.map((row) => row[columns.label])
  const found = [...new Set(labels.filter((label) => typeof label === 'string'))]
  const classes = columns.classes ?? found
  const absent = classes.filter((name) => !found.includes(name))
  if (classes.length < 2 || absent.length > 0) {
    const fault = absent.length > 0 ? `no row of class ${absent.join(', ')}` : 'fewer than two classes'
    throw new InputError(
      `${file}: ${fault} in the column "${columns.label}", which has ${found.join(', ') || 'nothing'}`,
    )
  }
  const used = rows.flatMap((row, n): Row[] => {
    const label = classes.indexOf(labels[n] ?? '')
    if (label < 0) return []
    const path = row[columns.path]
    if (!path) throw new InputError(`${file}, line ${n + 2}: no path in the column "${columns.path}"`)
    return [{ participant: row.participant_id ?? `line ${n + 2}`, scan: resolve(dirname(file), path), label }]
  })
  await requireFiles(used.map((row) => row.scan))
  return { classes, rows: used, leftOut: rows.length - used.length }
}

export interface Split {
  readonly training: readonly Row[]
  readonly validation: readonly Row[]
  readonly counts: { readonly training: number; readonly validation: number }
}

/**
 * Sets a share of the participants of each class aside; all scans of a participant stay together.
 * @throws InputError when a class is left without a participant on either side
 */
export function splitTable(rows: readonly Row[], share: number, seed: number): Split {
  const classOf = new Map<string, number>()
  for (const { participant, label } of rows) if (!classOf.has(participant)) classOf.set(participant, label)
  const aside = new Set<string>()
  for (const label of new Set(classOf.values())) {
    const members = [...classOf].filter(([, own]) => own === label).map(([participant]) => participant)
    const count = share === 0 ? 0 : Math.max(1, Math.round(share * members.length))
    if (count >= members.length) {
      throw new InputError(
        `a class has only ${members.length} participants: too few to set ${share} of them aside; add some, or use --validation 0`,
      )
    }
    for (const n of shuffled(members.length, seed, 0).slice(0, count)) aside.add(members[n]!)
  }
  const training = rows.filter((row) => !aside.has(row.participant))
  const validation = rows.filter((row) => aside.has(row.participant))
  return { training, validation, counts: { training: training.length, validation: validation.length } }
}

/**
 * Reads all scans. A recipe without a grid gets that of the first scan, so that a scan on another one is noticed later.
 * @throws InputError naming the scan that cannot be used
 */
export async function loadSamples(split: Split, recipe: Recipe, onProgress: (done: number, total: number) => void) {
  const all = [...split.training, ...split.validation]
  const first = await readVolumeFile(all[0]!.scan)
  const complete = recipe.grid ? recipe : { ...recipe, grid: { shape: first.shape, affine: first.affine } }
  const input = inputShape(complete, first)
  const notes: string[] = []
  const tensors: Float32Array[] = []
  for (const { scan } of all) {
    const volume = tensors.length === 0 ? first : await readVolumeFile(scan)
    try {
      const { tensor, nonFinite, notes: own } = applyRecipe(complete, volume, input)
      tensors.push(tensor)
      if (nonFinite > 0) notes.push(`${scan}: ${nonFinite} NaN or infinite voxels were set to zero`)
      notes.push(...own.map((note) => `${scan}: ${note}`))
    } catch (error) {
      throw error instanceof InputError ? new InputError(`${scan}: ${error.message}`) : error
    }
    onProgress(tensors.length, all.length)
  }
  const samples = (from: number, rows: readonly Row[]): Samples => ({
    ...inMemory(
      tensors.slice(from, from + rows.length),
      rows.map((row) => row.label),
    ),
    names: rows.map((row) => row.scan),
  })
  return {
    input,
    recipe: complete,
    training: samples(0, split.training),
    validation: split.validation.length > 0 ? samples(split.training.length, split.validation) : undefined,
    notes,
  }
}
