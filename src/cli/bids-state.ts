/** What voxplain bids knows of an output folder beside its results: .voxplain with claims, failures and what was asked. */
import { readdirSync, unlinkSync } from 'node:fs'
import { mkdir, readdir, readFile, realpath, rm, stat } from 'node:fs/promises'
import { join, sep } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { InputError } from '../io/errors.ts'
import { writeFileAtomic } from '../io/files.node.ts'
import { type Claims, openClaims } from './bids-claims.ts'
import { keyOf } from './explain-keep.ts'
import { formatJson } from './json.ts'

const STATE = '.voxplain'
const LEFTOVER = /^\.[0-9a-f]{18}\.tmp$/

export const claimsFolder = (out: string) => join(out, STATE, 'claims')
const failuresFolder = (out: string) => join(out, STATE, 'failed')
const runsFolder = (out: string) => join(out, STATE, 'runs')

/**
 * Opens an output folder for work, made if it is missing.
 * @throws InputError when it cannot be written
 */
export async function openState(out: string): Promise<Claims> {
  try {
    for (const folder of [failuresFolder(out), runsFolder(out)]) await mkdir(folder, { recursive: true })
    return await openClaims(claimsFolder(out))
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    const file = code === 'ENOTDIR' || code === 'EEXIST'
    const why = file ? 'a part of its path is a file, not a folder' : (code ?? message)
    throw new InputError(`the output folder ${out} cannot be written (${why}); choose another`, { cause: error })
  }
}

/** Work on files of the whole folder, by one process at a time. What a killed process left half written there goes. */
export async function withFolder<T>(out: string, claims: Claims, work: () => Promise<T>): Promise<T> {
  while (!claims.take('folder')) await sleep(50)
  try {
    for (const folder of [out, join(out, STATE), failuresFolder(out), runsFolder(out)]) sweep(folder)
    return await work()
  } finally {
    claims.release('folder')
  }
}

/**
 * Takes away what killed processes left in a folder: files half written, and maps and pictures without a record, which is
 * written last. Only for who has claimed the work there; at once, so that a process that has to go can do it.
 */
export function sweep(folder: string): void {
  const names = new Set(quietly(() => readdirSync(folder)))
  for (const name of names) {
    const [, stem] = /^(.+_relevance)\.(?:nii\.gz|png)$/.exec(name) ?? []
    const half = LEFTOVER.test(name) || (stem !== undefined && !names.has(`${stem}.json`))
    if (half) quietly(() => unlinkSync(join(folder, name)))
  }
}

/**
 * Makes a folder below the output, and looks where it really is: a link in its place may lead anywhere.
 * @throws InputError where it leads out
 */
export async function makeInside(out: string, folder: string): Promise<string> {
  const path = join(out, folder)
  const top = await realpath(out)
  // From the top down, so that nothing is made beyond a link that leads out.
  let at = out
  for (const step of folder.split('/')) {
    at = join(at, step)
    await mkdir(at).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw cannotMake(at, error)
    })
    const real = await realpath(at).catch((error) => {
      throw cannotMake(at, error)
    })
    if (real !== top && !real.startsWith(top + sep)) {
      throw new InputError(`${at} is a link that leads out of the output folder, to ${real}; remove it`)
    }
  }
  return path
}

function cannotMake(path: string, error: NodeJS.ErrnoException): InputError {
  const why = error.code === 'ENOSPC' ? 'the disk is full' : (error.code ?? error.message)
  return new InputError(`the folder ${path} cannot be made: ${why}`, { cause: error })
}

/** Notes that a scan failed, and why; undefined: that it did not. */
export async function noteFailure(out: string, scan: string, error: string | undefined): Promise<void> {
  const file = join(failuresFolder(out), `${scan}.json`)
  if (error === undefined) await rm(file, { force: true })
  // A disk that is full has no room for the note either; the run itself has told of it.
  else await writeFileAtomic(file, formatJson({ scan, error })).catch(() => undefined)
}

/** Failures of the last try of each scan. */
export async function failuresOf(out: string): Promise<Map<string, string>> {
  const found = (await readJsonIn(failuresFolder(out))) as { scan?: string; error?: string }[]
  return new Map(found.flatMap(({ scan, error }) => (scan && error ? [[scan, error]] : [])))
}

/** Keeps what was asked for, so that status can tell how it stands. The same question again takes the place of the first. */
export async function noteRun(out: string, about: object, run: object): Promise<void> {
  const file = join(runsFolder(out), `${keyOf(about).slice(0, 16)}.json`)
  const text = formatJson(run)
  if ((await readFile(file, 'utf8').catch(() => '')) !== text) await writeFileAtomic(file, text)
}

/** @throws InputError for a folder that is none of voxplain bids */
export async function runsOf(out: string): Promise<unknown[]> {
  if (!(await stat(join(out, STATE)).catch(() => undefined))?.isDirectory()) {
    throw new InputError(`${out} is no output folder of voxplain bids (it has no ${STATE})`)
  }
  return readJsonIn(runsFolder(out))
}

async function readJsonIn(folder: string): Promise<unknown[]> {
  const names = (await readdir(folder).catch(() => [])).filter((name) => name.endsWith('.json')).sort()
  return Promise.all(names.map(async (name) => JSON.parse(await readFile(join(folder, name), 'utf8')) as unknown))
}

function quietly<T>(work: () => T): T | undefined {
  try {
    return work()
  } catch {
    return undefined
  }
}
