/** Which maps are there already: every record carries a key of all that its map depends on. */
import { createHash } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import type { Network } from '../model/description.ts'

/** Hash of a network: layers, recipe, weights, residuals. */
export function networkDigest({ description, weights, residual }: Network): string {
  const hash = createHash('sha256').update(JSON.stringify(description))
  for (const [name, { shape, data }] of [...weights, ...(residual ? ([['residual', residual]] as const) : [])]) {
    hash.update(`${name} ${shape.join(' ')}\n`).update(bytesOf(data))
  }
  return hash.digest('hex')
}

const bytesOf = ({ buffer, byteOffset, byteLength }: ArrayBufferView) => new Uint8Array(buffer, byteOffset, byteLength)

/** Hash of facts as JSON; lists of numbers count by their values, and keys that are not set not at all. */
export function keyOf(facts: object): string {
  const text = JSON.stringify(facts, (_, value) =>
    ArrayBuffer.isView(value) ? createHash('sha256').update(bytesOf(value)).digest('hex') : value,
  )
  return createHash('sha256').update(text).digest('hex')
}

/** Endings of the files of one map; the record comes last, so that where it is the others are. */
export const MAP_ENDINGS = ['.nii.gz', '.png', '.json'] as const

/** The record of a map that is there with all its files, and is of this key; undefined otherwise. */
export async function recordOf(stem: string, key: string): Promise<Record<string, unknown> | undefined> {
  try {
    const record = JSON.parse(await readFile(`${stem}.json`, 'utf8'))
    if (record.key !== key) return undefined
    for (const ending of MAP_ENDINGS) {
      const about = await stat(stem + ending)
      if (!about.isFile() || about.size === 0) return undefined
    }
    return record
  } catch {
    // Not there, or no record of ours.
    return undefined
  }
}
