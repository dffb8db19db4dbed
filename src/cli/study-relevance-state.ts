/** What a study of relevance has done so far with one method: rows of scans, and sums of their maps, in one file that is whole. */
import { readFile } from 'node:fs/promises'
import type { GroupMoments } from '../explain/postprocess/group.ts'
import type { RegionRow } from '../explain/regions/region-table.ts'
import { writeFileAtomic } from '../io/files.node.ts'

/** What a map amounts to in one region; the region itself and its size are the atlas's. */
export type StoredRegion = Pick<RegionRow, 'positive' | 'negative' | 'peak' | 'peakMm' | 'tissueMm3'>

/** One scan with its map. */
export interface StoredScan {
  /** Hash of all that the map and its row depend on. */
  readonly key: string
  /** Which group's sums hold its map. */
  readonly group: string
  readonly logits: readonly number[]
  /** The map has one value everywhere. */
  readonly constant: boolean
  /** In the order of the atlas. */
  readonly regions: readonly StoredRegion[]
}

export interface RelevanceState {
  /** What made the maps. */
  readonly adapter: string
  readonly scans: readonly StoredScan[]
  /** Of maps on the scans' grid, by group. */
  readonly groups: ReadonlyMap<string, GroupMoments>
  /** Sum of the scans themselves. */
  readonly scanSum: Float64Array
}

export const nothingDone = (voxels: number): RelevanceState => {
  return { adapter: '', scans: [], groups: new Map(), scanSum: new Float64Array(voxels) }
}

const MAGIC = 'voxplain study relevance 1'

/** Writes it as a whole: a line of JSON, then sums as float64. */
export async function writeState(path: string, { adapter, scans, groups, scanSum }: RelevanceState): Promise<void> {
  const head = {
    magic: MAGIC,
    adapter,
    voxels: scanSum.length,
    groups: [...groups].map(([name, { n }]) => ({ name, n })),
    scans,
  }
  const sums = [scanSum, ...[...groups.values()].flatMap(({ mean, squares }) => [mean, squares])]
  const parts = [
    Buffer.from(`${JSON.stringify(head)}\n`),
    ...sums.map((one) => Buffer.from(one.buffer, one.byteOffset, one.byteLength)),
  ]
  await writeFileAtomic(path, Buffer.concat(parts))
}

/**
 * What was done, where all of it is still asked for: sums cannot be taken apart.
 * @param wanted group of each scan by its key
 * @returns undefined where there is nothing to go on with
 */
export async function readState(
  path: string,
  voxels: number,
  wanted: ReadonlyMap<string, string>,
): Promise<RelevanceState | undefined> {
  const bytes = await readFile(path).catch(() => undefined)
  const state = bytes && parseState(bytes)
  if (state?.scanSum.length !== voxels) return undefined
  return state.scans.every(({ key, group }) => wanted.get(key) === group) ? state : undefined
}

interface Head {
  readonly magic: string
  readonly adapter: string
  readonly voxels: number
  readonly groups: readonly { readonly name: string; readonly n: number }[]
  readonly scans: readonly StoredScan[]
}

/** Undefined for what is damaged or none of ours. */
function parseState(bytes: Buffer): RelevanceState | undefined {
  const end = bytes.indexOf(10)
  const head = parseHead(bytes.toString('utf8', 0, Math.max(0, end)))
  if (head?.magic !== MAGIC || bytes.length !== end + 1 + 8 * head.voxels * (1 + 2 * head.groups.length)) {
    return undefined
  }
  let at = end + 1
  const next = () => {
    const values = new Float64Array(head.voxels)
    new Uint8Array(values.buffer).set(bytes.subarray(at, at + values.byteLength))
    at += values.byteLength
    return values
  }
  const scanSum = next()
  const groups = new Map(head.groups.map(({ name, n }) => [name, { n, mean: next(), squares: next() }]))
  return { adapter: head.adapter, scans: head.scans, groups, scanSum }
}

function parseHead(text: string): Head | undefined {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
