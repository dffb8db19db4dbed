/** --shard i/n: one of n equal parts of the work, for job arrays. */
import { InvalidArgumentError } from 'commander'

export interface Shard {
  /** From 1 to `of`. */
  readonly index: number
  readonly of: number
}

/** 2/8 as a shard. */
export function shardOption(text: string): Shard {
  const [, index, of] = /^(\d+)\/(\d+)$/.exec(text.trim()) ?? []
  const shard = { index: Number(index), of: Number(of) }
  if (shard.of >= 1 && shard.index >= 1 && shard.index <= shard.of) return shard
  throw new InvalidArgumentError('Give a part and how many there are, counted from 1, as in 2/8.')
}

/**
 * Every n-th item in the order of names: the same parts on every node, whatever the files hold and the folder lists first.
 * Together the parts have every item once; their sizes differ by one at most.
 */
export function shardOf<T>(items: readonly T[], nameOf: (item: T) => string, { index, of }: Shard): T[] {
  const names = new Map(items.map((item) => [item, nameOf(item)]))
  const sorted = [...items].sort((a, b) => (names.get(a)! < names.get(b)! ? -1 : 1))
  return sorted.filter((_, n) => n % of === index - 1)
}
