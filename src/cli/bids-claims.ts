/**
 * Claims: which process works on what, as files in a folder that all of them see, on one machine or on many.
 *
 * A claim of `name` is a file `name.<generation>` made exclusively. It is stale when its process is gone (same machine) or
 * has not touched it for a while (another machine). A stale claim is never taken away by others, which would be a race;
 * it is superseded by one of the next generation, which only one process can make.
 */
import {
  closeSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  unlinkSync,
  utimesSync,
  writeSync,
} from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'

export interface ClaimOwner {
  readonly host: string
  readonly pid: number
  /** When the process began, in ticks since the machine did; tells it from a later one of the same pid. Linux only. */
  readonly began?: string
}

export interface Claim {
  readonly name: string
  readonly owner: ClaimOwner | undefined
  readonly stale: boolean
}

export interface Claims {
  /** Whether the claim is now this process's. */
  take(name: string): boolean
  release(name: string): void
  /** Names of this process's claims. */
  own(): string[]
  /** Gives all of this process's claims back, at once. */
  releaseAll(): void
  /** Claims there are, one a name. */
  list(): Claim[]
  /** Ends the touching of claims and gives them back. */
  close(): void
}

/** Claims are touched this often, and are stale on another machine after so long, in ms. */
const TOUCH = 20_000
const STALE = 600_000
/** A claim whose process was killed before it wrote who it was. */
const STALE_EMPTY = 5_000

/** Opens the claims in a folder, which is made if it is missing. */
export async function openClaims(folder: string): Promise<Claims> {
  await mkdir(folder, { recursive: true })
  const own = new Map<string, string>()
  const self = JSON.stringify(thisProcess())
  const timer = setInterval(() => {
    const now = new Date()
    for (const path of own.values()) quietly(() => utimesSync(path, now, now))
  }, TOUCH)
  timer.unref()
  const release = (name: string) => {
    const path = own.get(name)
    if (path === undefined) return
    own.delete(name)
    // Those it superseded first: while any is there, no claim of the first generation can be made.
    for (const [file] of generations(folder, name))
      if (join(folder, file) !== path) quietly(() => unlinkSync(join(folder, file)))
    quietly(() => unlinkSync(path))
  }
  const releaseAll = () => {
    for (const name of [...own.keys()]) release(name)
  }
  return {
    take(name) {
      if (own.has(name)) return true
      const before = generations(folder, name)
      if (before.some(([file]) => !isStale(folder, file))) return false
      const generation = Math.max(0, ...before.map(([, n]) => n)) + 1
      const path = join(folder, `${name}.${generation}`)
      if (!create(path, self)) return false
      // Another process may have read the folder before a third one was done: all that is left but ours must be stale.
      const others = generations(folder, name).filter(([, n]) => n !== generation)
      if (others.some(([file, n]) => n > generation || !isStale(folder, file))) {
        unlinkSync(path)
        return false
      }
      own.set(name, path)
      return true
    },
    release,
    own: () => [...own.keys()],
    releaseAll,
    list: () => listClaims(folder),
    close() {
      clearInterval(timer)
      releaseAll()
    },
  }
}

/** Claims in a folder, without taking any; none where there is no folder. */
export function listClaims(folder: string): Claim[] {
  const highest = new Map<string, readonly [string, number]>()
  for (const [name, file, generation] of claimFiles(folder)) {
    if ((highest.get(name)?.[1] ?? 0) < generation) highest.set(name, [file, generation])
  }
  return [...highest].map(([name, [file]]) => ({
    name,
    owner: ownerOf(join(folder, file)),
    stale: isStale(folder, file),
  }))
}

function claimFiles(folder: string): [string, string, number][] {
  let names: string[] = []
  quietly(() => (names = readdirSync(folder)))
  return names.flatMap((file) => {
    const [, name, generation] = /^(.+)\.(\d+)$/.exec(file) ?? []
    return name === undefined ? [] : [[name, file, Number(generation)] as [string, string, number]]
  })
}

const generations = (folder: string, name: string) =>
  claimFiles(folder).flatMap(([other, file, n]) => (other === name ? [[file, n] as const] : []))

/** False where the file is there already. */
function create(path: string, text: string): boolean {
  let file: number
  try {
    file = openSync(path, 'wx')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
  try {
    writeSync(file, text)
  } finally {
    closeSync(file)
  }
  return true
}

function isStale(folder: string, file: string): boolean {
  const path = join(folder, file)
  const owner = ownerOf(path)
  const self = thisProcess()
  if (owner?.host === self.host) return !isAlive(owner)
  const age = ageOf(folder, path)
  // Gone meanwhile: its process is done with it.
  if (age === undefined) return true
  return age > (owner ? STALE : STALE_EMPTY)
}

function ownerOf(path: string): ClaimOwner | undefined {
  try {
    const { host, pid, began } = JSON.parse(readFileSync(path, 'utf8'))
    return typeof host === 'string' && Number.isInteger(pid) && pid > 0 ? { host, pid, began } : undefined
  } catch {
    return undefined
  }
}

/** In ms, by the clock of the disk: those of two machines may differ by minutes. Undefined where the file is gone. */
function ageOf(folder: string, path: string): number | undefined {
  const probe = join(folder, `clock-${process.pid}`)
  try {
    const { mtimeMs } = statSync(path)
    closeSync(openSync(probe, 'w'))
    const now = statSync(probe).mtimeMs
    return now - mtimeMs
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    // A folder that may only be looked at.
    return quietly(() => Date.now() - statSync(path).mtimeMs)
  } finally {
    quietly(() => unlinkSync(probe))
  }
}

let known: ClaimOwner | undefined

function thisProcess(): ClaimOwner {
  // Containers on one machine may share a name and number their processes apart.
  const space = quietly(() => readlinkSync('/proc/self/ns/pid').replace(/\D/g, ''))
  known ??= { host: [hostname(), space].filter(Boolean).join('/'), pid: process.pid, began: beganAt(process.pid) }
  return known
}

function isAlive({ pid, began }: ClaimOwner): boolean {
  try {
    process.kill(pid, 0)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false
  }
  const now = beganAt(pid)
  return began === undefined || now === undefined || began === now
}

/** The 22nd field of /proc/<pid>/stat; the second one, in brackets, may hold spaces. A process that only waits to be reaped is gone. */
function beganAt(pid: number): string | undefined {
  const fields = quietly(() =>
    readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' '),
  )
  return fields?.[0] === 'Z' ? 'gone' : fields?.[19]
}

function quietly<T>(work: () => T): T | undefined {
  try {
    return work()
  } catch {
    return undefined
  }
}
