import { createHash, randomUUID } from 'node:crypto'
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, isAbsolute, join, resolve } from 'node:path'
import { type TunePlace, type TuneRecord, type TuneStore, winnersOf } from './tune-store.ts'

/**
 * Winners of tuning in Node: a JSON file an adapter, in the user's cache folder.
 *
 * Environment variables:
 * - `VOXPLAIN_CACHE`: the folder, or `off` to keep nothing. Default: `voxplain` in the system's place for caches
 *   (`$XDG_CACHE_HOME` or `~/.cache`, `~/Library/Caches`, `%LOCALAPPDATA%`).
 */
export const fileTuneStore: TuneStore = {
  async load(place) {
    const file = fileOf(place)
    if (!file) return {}
    try {
      return winnersOf(JSON.parse(await readFile(file, 'utf8')), atDawn(place))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') tell(`cannot read ${file}`, error)
      return {}
    }
  },
  async save(place, winners) {
    const file = fileOf(place)
    if (!file) return
    const temporary = `${file}.${randomUUID()}`
    try {
      const record: TuneRecord = { ...atDawn(place), winners: { ...(await this.load(place)), ...winners } }
      await mkdir(dirname(file), { recursive: true })
      await writeFile(temporary, `${JSON.stringify(record, undefined, 1)}\n`)
      await rename(temporary, file)
    } catch (error) {
      await rm(temporary, { force: true }).catch(() => undefined)
      tell(`cannot write ${file}`, error)
    }
  },
}

/** The folder of the user's caches for this package; undefined where none is wanted. */
export function cacheFolder(env = process.env, platform = process.platform, home = homedir()): string | undefined {
  const wish = env.VOXPLAIN_CACHE
  if (wish === 'off') return undefined
  if (wish) return resolve(wish)
  // A relative path in XDG_CACHE_HOME is to be ignored (XDG Base Directory Specification).
  const xdg = env.XDG_CACHE_HOME && isAbsolute(env.XDG_CACHE_HOME) ? env.XDG_CACHE_HOME : join(home, '.cache')
  if (platform === 'win32') return join(env.LOCALAPPDATA || join(home, 'AppData', 'Local'), 'voxplain')
  return join(platform === 'darwin' ? join(home, 'Library', 'Caches') : xdg, 'voxplain')
}

function fileOf(place: TunePlace): string | undefined {
  const folder = cacheFolder()
  const name = createHash('sha256').update(atDawn(place).adapter).digest('hex').slice(0, 16)
  return folder && join(folder, `tuning-${name}.json`)
}

/** Dawn's toggles change what kernels cost. */
function atDawn(place: TunePlace): TunePlace {
  const toggles = process.env.VOXPLAIN_DAWN_TOGGLES
  return toggles ? { ...place, adapter: `${place.adapter} ${toggles}` } : place
}

let told = false

/** Says once that the cache does not work: everything else does. */
function tell(what: string, error: unknown): void {
  if (told) return
  told = true
  const why = error instanceof Error ? error.message : String(error)
  process.stderr.write(`voxplain: ${what}, where the fastest kernels are remembered: ${why}; going on without\n`)
}
