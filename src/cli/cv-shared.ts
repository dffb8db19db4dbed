/** A cross-validation that several processes share, on one machine or on many: each part is trained by one of them. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Books, Part } from '../model/crossval/crossval.ts'
import { type Claims, openClaims } from './bids-claims.ts'
import { sweep } from './bids-state.ts'
import { partFolder } from './cv-folder.ts'
import type { Shard } from './shard.ts'

/** A claim lies in the folder that it is of, and is gone when the work there is done. */
const CLAIM = '.claim'
/** How often it is looked whether another process is done, in ms. */
const POLL = 500

/** Every n-th part, in the order of folds and runs; all of them where there is no shard. */
export function partsOf(parts: readonly Part[], shard: Shard | undefined): readonly Part[] {
  return shard ? parts.filter((_, n) => n % shard.of === shard.index - 1) : parts
}

/** Work on the files of a folder, by one process at a time. What a killed process left half written there goes first. */
export async function aloneIn<T>(folder: string, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  const claims = await claim(folder, signal)
  try {
    sweep(folder)
    return await work()
  } finally {
    claims.close()
  }
}

export interface SharedBooks extends Books {
  /** Gives back what was not finished. */
  release(): void
}

/**
 * Books of which each part is claimed while it is trained. One that another process is at is waited for, and made when
 * that process died.
 * @param own the parts of this process; others count as done
 */
export function sharedBooks(books: Books, folder: string, own: readonly Part[], signal: AbortSignal): SharedBooks {
  const names = new Set(own.map(({ fold, run }) => `${fold}.${run}`))
  let held: Claims | undefined
  const release = () => {
    held?.close()
    held = undefined
  }
  return {
    ...books,
    async isDone(part) {
      if (!names.has(`${part.fold}.${part.run}`)) return true
      held = await claim(partFolder(folder, part), signal)
      const done = await books.isDone(part)
      if (done) release()
      return done
    },
    async finish(result) {
      await books.finish(result)
      release()
    },
    release,
  }
}

async function claim(folder: string, signal: AbortSignal): Promise<Claims> {
  const claims = await openClaims(folder)
  try {
    while (!claims.take(CLAIM)) await sleep(POLL, undefined, { signal })
    return claims
  } catch (error) {
    claims.close()
    throw signal.aborted ? signal.reason : error
  }
}
