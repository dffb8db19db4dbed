/** Finished parts of a study: each in a file named by what it depends on, so that nothing is computed twice. */
import { appendFile, mkdir, readdir, readFile, stat, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { InputError } from '../io/errors.ts'
import { writeFileAtomic } from '../io/files.node.ts'
import { parseTsv } from '../io/tsv.ts'
import type { Weight } from '../model/description.ts'
import { readSafetensors, writeSafetensors } from '../model/formats/safetensors.ts'
import { keyOf } from './explain-keep.ts'

/** A part: arrays, and facts that JSON can hold. Neither may depend on the clock. */
export interface Part {
  readonly arrays: ReadonlyMap<string, Weight>
  readonly facts: Readonly<Record<string, unknown>>
}

/** A part that is to be there. */
export interface PartName {
  /** What sort of part: the first word of its file. */
  readonly kind: string
  /** Everything that it depends on; arrays count by their values. */
  readonly of: object
}

/** How much work a part was, and how long it took: what estimates are made from. */
export interface PartTime {
  readonly kind: string
  /** Scans times steps, or scans classified. */
  readonly work: number
  readonly seconds: number
}

export interface Parts {
  has(name: PartName): Promise<boolean>
  /** The part as it is, or undefined. A file that is damaged counts as none. */
  find(name: PartName): Promise<Part | undefined>
  /** The part, made where it is not there. @param work see PartTime */
  ensure(name: PartName, work: number, make: () => Promise<Part>): Promise<Part>
  /** The same parts, with a call whenever one more is there. */
  telling(onMade: () => void): Parts
  /** Of parts that were made before, on whatever machine. */
  times(): Promise<PartTime[]>
}

const FOLDER = 'parts'
const TIMES = 'times.tsv'
const LEFTOVER = /^\.[0-9a-f]{18}\.tmp$/

/** Parts below a study's folder. What a killed process left half written there is taken away first. */
export async function openParts(folder: string): Promise<Parts> {
  const own = join(folder, FOLDER)
  await mkdir(own, { recursive: true })
  for (const place of [folder, own]) {
    for (const name of await readdir(place)) if (LEFTOVER.test(name)) await unlink(join(place, name))
  }
  const fileOf = (key: string, kind: string) => join(own, `${kind}-${key.slice(0, 20)}.safetensors`)
  const find = async (name: PartName): Promise<Part | undefined> => {
    const key = keyOf(name)
    const bytes = await readFile(fileOf(key, name.kind)).catch(() => undefined)
    if (!bytes) return undefined
    try {
      const { tensors, metadata } = readSafetensors(bytes)
      return metadata.key === key ? { arrays: tensors, facts: JSON.parse(metadata.facts!) } : undefined
    } catch (error) {
      if (error instanceof InputError || error instanceof SyntaxError) return undefined
      throw error
    }
  }
  const parts: Parts = {
    find,
    has: async (name) => (await find(name)) !== undefined,
    async ensure(name, work, make) {
      const known = await find(name)
      if (known) return known
      const began = performance.now()
      const part = await make()
      const key = keyOf(name)
      const metadata = { key, facts: JSON.stringify(part.facts) }
      const bytes = writeSafetensors({ tensors: part.arrays, metadata })
      await writeFileAtomic(fileOf(key, name.kind), bytes)
      await logTime(folder, { kind: name.kind, work, seconds: (performance.now() - began) / 1000 })
      // As it is after a round through the file, so that a study that goes on has the same numbers.
      return (await find(name))!
    },
    telling: (onMade) => ({
      ...parts,
      ensure: (name, work, make) =>
        parts.ensure(name, work, async () => {
          const part = await make()
          onMade()
          return part
        }),
    }),
    times: () => readTimes(folder),
  }
  return parts
}

/** Times are for estimates, beside the results: they differ from one time to the next. */
async function logTime(folder: string, { kind, work, seconds }: PartTime): Promise<void> {
  const file = join(folder, TIMES)
  const head = (await stat(file).catch(() => undefined)) ? '' : 'kind\twork\tseconds\n'
  await appendFile(file, `${head}${kind}\t${work}\t${seconds.toFixed(3)}\n`)
}

async function readTimes(folder: string): Promise<PartTime[]> {
  const text = await readFile(join(folder, TIMES), 'utf8').catch(() => undefined)
  if (text === undefined) return []
  try {
    return parseTsv(text).rows.flatMap(({ kind, work, seconds }) => {
      const [amount, time] = [Number(work), Number(seconds)]
      return kind && amount > 0 && time > 0 ? [{ kind, work: amount, seconds: time }] : []
    })
  } catch {
    // A line that a killed process left half written: no estimate is worth a refusal.
    return []
  }
}
