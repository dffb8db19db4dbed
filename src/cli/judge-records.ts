/** What was judged already: one line a scan and method, in a file that is always whole. */
import { join } from 'node:path'
import type { Verdict } from '../explain/judge/judge.ts'
import { type MeasureName, measureNames } from '../explain/judge/measures.ts'
import { InputError } from '../io/errors.ts'
import { readFileChecked, writeFileAtomic } from '../io/files.node.ts'

/** One method's map of one scan. */
export interface JudgeRecord {
  readonly scan: string
  readonly participant?: string
  readonly session?: string
  readonly label?: string
  readonly method: string
  /** Of all that the map depends on; maps of another key are judged anew. */
  readonly key: string
  /** The class that was explained. */
  readonly target: string
  readonly probability: number
  /** null: the measure says nothing of this map. Absent: not measured yet. */
  readonly values: { readonly [M in MeasureName]?: number | null }
  readonly curves: Verdict['curves']
}

export interface JudgeRecords {
  /** In the order in which they came. */
  all(): readonly JudgeRecord[]
  /** Measures that a map still lacks. */
  missing(scan: string, method: string, key: string, wanted: readonly MeasureName[]): MeasureName[]
  /** Adds records; what earlier ones of the same scan, method and key hold besides is kept. Written before it returns. */
  add(records: readonly JudgeRecord[]): Promise<void>
}

const FILE = 'records.jsonl'

/**
 * Opens the records of a folder.
 * @param settings what must be the same for records to belong together
 * @throws InputError for records of other settings, or a file that is none of ours
 */
export async function openRecords(folder: string, settings: Readonly<Record<string, unknown>>): Promise<JudgeRecords> {
  const path = join(folder, FILE)
  const known = new Map<string, JudgeRecord>()
  const nameOf = ({ scan, method }: Pick<JudgeRecord, 'scan' | 'method'>) => JSON.stringify([scan, method])
  const head = JSON.stringify({ voxplain: 'judge', settings })
  const bytes = await readFileChecked(path).catch(() => undefined)
  if (bytes) {
    const [first, ...lines] = parseLines(new TextDecoder().decode(bytes), path)
    requireSame(first, settings, path)
    for (const record of lines as JudgeRecord[]) known.set(nameOf(record), record)
  }
  return {
    all: () => [...known.values()],
    missing(scan, method, key, wanted) {
      const found = known.get(nameOf({ scan, method }))
      return found?.key === key ? wanted.filter((name) => found.values[name] === undefined) : [...wanted]
    },
    async add(records) {
      for (const record of records) {
        const earlier = known.get(nameOf(record))
        const merged = earlier?.key === record.key ? merge(earlier, record) : record
        known.set(nameOf(record), merged)
      }
      const text = [head, ...[...known.values()].map((record) => JSON.stringify(record))]
      await writeFileAtomic(path, `${text.join('\n')}\n`)
    },
  }
}

function merge(earlier: JudgeRecord, record: JudgeRecord): JudgeRecord {
  const values = { ...earlier.values, ...record.values }
  const inOrder = measureNames.flatMap((name) => (values[name] === undefined ? [] : [[name, values[name]]]))
  return { ...record, values: Object.fromEntries(inOrder), curves: { ...earlier.curves, ...record.curves } }
}

function parseLines(text: string, path: string): unknown[] {
  try {
    return text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line))
  } catch (error) {
    throw new InputError(`${path} is damaged (${(error as Error).message}); take it away, or choose another --out`)
  }
}

/** @throws InputError naming what differs */
function requireSame(first: unknown, settings: Readonly<Record<string, unknown>>, path: string): void {
  const head = first as { voxplain?: string; settings?: Record<string, unknown> } | undefined
  if (head?.voxplain !== 'judge' || !head.settings) {
    throw new InputError(`${path} holds no records of voxplain judge; choose another --out`)
  }
  const differing = Object.keys({ ...head.settings, ...settings }).filter(
    (name) => JSON.stringify(head.settings![name]) !== JSON.stringify(settings[name]),
  )
  if (differing.length === 0) return
  const told = differing.map((name) => {
    const [before, now] = [head.settings![name], settings[name]].map((value) => JSON.stringify(value) ?? 'none')
    return before!.length + now!.length > 60 ? `another ${name}` : `${name} ${before}, now ${now}`
  })
  throw new InputError(`${path} was made with ${told.join('; ')}; choose another --out, or take it away`)
}
