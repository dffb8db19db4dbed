/**
 * Names of files that are being written (Node only). Whoever finds one can tell whether the process that wrote it is still
 * there; where it is not, the file is a leftover of a process that was killed.
 */
import { createHash, randomBytes } from 'node:crypto'
import { readlinkSync } from 'node:fs'
import { readdir, stat, unlink } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'

/** Process, machine, and eight random digits. A short name of its own: adding to one of 255 bytes would fail. */
const PATTERN = /^\.([0-9a-f]{6})([0-9a-f]{4})[0-9a-f]{8}\.tmp$/

export function temporaryName(): string {
  return `.${hex(process.pid, 6)}${machine()}${randomBytes(4).toString('hex')}.tmp`
}

/** Takes away what killed processes of this machine left half written in a folder. Never throws. */
export async function sweepTemporaries(folder: string): Promise<void> {
  for (const name of await readdir(folder).catch(() => [])) {
    const [, pid, where] = PATTERN.exec(name) ?? []
    if (pid === undefined || where !== machine()) continue
    const path = join(folder, name)
    if (!(await isOver(Number.parseInt(pid, 16), path))) continue
    await unlink(path).catch(() => undefined)
  }
}

/** A process of our own number: one before us, where the file is older than we are. */
async function isOver(pid: number, path: string): Promise<boolean> {
  if (pid === process.pid % 0x1000000) {
    const about = await stat(path).catch(() => undefined)
    return about !== undefined && about.mtimeMs < Date.now() - 1000 * process.uptime()
  }
  try {
    process.kill(pid, 0)
    return false
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH'
  }
}

let known: string | undefined

/** Containers on one machine may share a name and number their processes apart. */
function machine(): string {
  known ??= createHash('sha256').update(`${hostname()} ${processSpace()}`).digest('hex').slice(0, 4)
  return known
}

function processSpace(): string {
  try {
    return readlinkSync('/proc/self/ns/pid')
  } catch {
    return ''
  }
}

const hex = (value: number, digits: number) => (value % 16 ** digits).toString(16).padStart(digits, '0')
