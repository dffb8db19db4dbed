/** Folders of long work, which one set of settings owns: another one may not go on in them. */
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { InputError } from './errors.ts'
import { writeFileAtomic } from './files.node.ts'

export type Settings = Readonly<Record<string, unknown>>

export interface Claim {
  /** Name of the file that says whose folder it is. */
  readonly file: string
  /** What kind of work it is, for the errors: search, cross-validation. */
  readonly kind: string
  /** What the results depend on; JSON. */
  readonly settings: Settings
  /** What else to keep, for the record. */
  readonly about?: Settings
  /** Whether work that is there goes on. */
  readonly resume: boolean
}

/**
 * Takes a folder, made where it is missing, or finds that it is this work's already.
 * @returns `about` as it was when the work began
 * @throws InputError for a folder that holds such work when none is to go on, or other work than this, saying what differs
 */
export async function claimFolder(
  folder: string,
  { file, kind, settings, about = {}, resume }: Claim,
): Promise<Settings> {
  await mkdir(folder, { recursive: true })
  const path = join(folder, file)
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error
  })
  if (text === undefined) {
    if (resume) throw new InputError(`${folder} holds no ${kind} to go on with; leave --resume out`)
    await writeFileAtomic(path, `${JSON.stringify({ settings, ...about }, null, 2)}\n`)
    return about
  }
  if (!resume) throw new InputError(`${folder} holds a ${kind}; go on with --resume, or choose another --out`)
  const { settings: before, ...began } = parse(text, path)
  const changed = [...new Set([...Object.keys(before), ...Object.keys(settings)])].filter(
    (key) => JSON.stringify(before[key]) !== JSON.stringify(settings[key]),
  )
  if (changed.length === 0) return began
  const named = changed.slice(0, 3).map((key) => `${key} was ${short(before[key])} and is ${short(settings[key])}`)
  const more = changed.length > named.length ? `; and ${changed.length - named.length} more` : ''
  throw new InputError(
    `${folder} holds another ${kind}: ${named.join('; ')}${more}; give the same cohorts and options, or another --out`,
  )
}

function parse(text: string, path: string): { settings: Settings } & Settings {
  try {
    const { settings, ...about } = JSON.parse(text)
    return { settings: settings ?? {}, ...about }
  } catch (error) {
    throw new InputError(`${path} is damaged: ${(error as Error).message}; remove the folder and start anew`)
  }
}

function short(value: unknown): string {
  const text = JSON.stringify(value) ?? 'not given'
  return text.length > 60 ? `${text.slice(0, 57)}...` : text
}
