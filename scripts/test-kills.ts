/**
 * `npm run test:kills`: kills explain, bids, train and study robustness (SIGKILL) at random points, starts them again, and
 * compares what they leave with what an undisturbed run leaves: the same bytes in every file, and no file besides.
 *
 * Half of the kills come at a random time, the other half at a random change in the output folder, or up to 3 ms after it.
 * Options: --kills COUNT (default 50, over the four commands), --only explain,bids,train,study, --seed N (1), --keep.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, watch } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { uniformStream } from '../src/model/random.ts'
import { makePlace } from '../test/support/cli.ts'
import { commandsToKill, type Killed, whatIsLeft } from '../test/support/kills.ts'

const { values: flags } = parseArgs({
  options: {
    kills: { type: 'string', default: '50' },
    only: { type: 'string', default: 'explain,bids,train,study' },
    seed: { type: 'string', default: '1' },
    keep: { type: 'boolean', default: false },
  },
})
const BIN = fileURLToPath(new URL('../bin/voxplain.mjs', import.meta.url))
const names = flags.only.split(',')
const kills = Number(flags.kills)
if (!(kills >= 1) || !names.every((name) => ['explain', 'bids', 'train', 'study'].includes(name))) {
  throw new Error('--kills takes a count, --only some of explain,bids,train,study')
}
const next = uniformStream(Number(flags.seed), 'kills')

/** When a run is killed: after so many ms, or so many ms after that many changes in its folder. */
interface Moment {
  readonly changes: number
  readonly later: number
}

interface Ended {
  readonly killed: boolean
  readonly code: number | null
  readonly seconds: number
  readonly changes: number
  readonly said: string
}

async function run(command: Killed, folder: string, moment?: Moment): Promise<Ended> {
  await mkdir(folder, { recursive: true })
  const began = performance.now()
  const done = command.goesOn?.(folder)
  const argv = command.argv(folder, done !== undefined && existsSync(done))
  const child: ChildProcess = spawn(process.execPath, [BIN, ...argv], { stdio: ['ignore', 'ignore', 'pipe'] })
  let [said, changes] = ['', 0]
  let timer: NodeJS.Timeout | undefined
  const strike = () => {
    timer ??= setTimeout(() => child.kill('SIGKILL'), moment!.later)
  }
  child.stderr!.setEncoding('utf8').on('data', (words) => void (said += words))
  const watching = watch(folder, { recursive: true }, () => {
    if (++changes === moment?.changes) strike()
  })
  // Folders may go while they are watched.
  watching.on('error', () => undefined)
  if (moment?.changes === 0) strike()
  const [code, signal] = await new Promise<[number | null, string | null]>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (...how) => resolve(how))
  })
  clearTimeout(timer)
  watching.close()
  return { killed: signal === 'SIGKILL', code, seconds: (performance.now() - began) / 1000, changes, said }
}

/** Kills one command so many times. @returns faults that were found */
async function killing(command: Killed, count: number, base: string): Promise<string[]> {
  const faults: string[] = []
  const whole = await run(command, join(base, 'whole'))
  if (whole.code !== 0) throw new Error(`${command.name} failed undisturbed: ${whole.said}`)
  const wanted = await whatIsLeft(join(base, 'whole'), command)
  let [done, finished, round] = [0, 0, 0]
  const compare = async (folder: string) => {
    const left = await whatIsLeft(folder, command)
    const files = [...new Set([...Object.keys(wanted), ...Object.keys(left)])]
    const other = files.filter((name) => wanted[name] !== left[name])
    if (other.length > 0) faults.push(`${command.name}, ${folder}: ${other.join(', ')}`)
    finished++
  }
  while (done < count) {
    const folder = join(base, `killed-${++round}`)
    for (let again = 0; ; again++) {
      // A few kills in a row, and then it may end.
      const spared = done === count || (again > 0 && next() < 0.2)
      const timed = next() < 0.5
      const moment = timed
        ? { changes: 0, later: 1000 * whole.seconds * (0.2 + 0.8 * next()) }
        : { changes: 1 + Math.floor(next() * whole.changes), later: Math.floor(4 * next()) }
      const { killed, code, said } = await run(command, folder, spared ? undefined : moment)
      if (killed) done++
      else if (code === 0) break
      else {
        faults.push(`${command.name}, ${folder}: exit code ${code}: ${said}`)
        break
      }
    }
    await compare(folder)
  }
  const size = Object.keys(wanted).length
  const { seconds, changes } = whole
  process.stdout.write(
    `${command.name}: ${done} kills in ${round} runs of ${seconds.toFixed(1)} s with ${changes} changes; ` +
      `${finished} outcomes of ${size} files compared, ${faults.length === 0 ? 'all the same' : `${faults.length} differ`}\n`,
  )
  return faults
}

const place = await makePlace()
const faults: string[] = []
try {
  const commands = (await commandsToKill(place)).filter(({ name }) => names.includes(name))
  for (const [n, command] of commands.entries()) {
    const share = Math.floor((kills * (n + 1)) / commands.length) - Math.floor((kills * n) / commands.length)
    if (share > 0) faults.push(...(await killing(command, share, join(place.folder, `work-${command.name}`))))
  }
} finally {
  if (flags.keep || faults.length > 0) process.stdout.write(`kept: ${place.folder}\n`)
  else await place.clear()
}
for (const fault of faults) process.stdout.write(`NOT THE SAME: ${fault}\n`)
process.exitCode = faults.length > 0 ? 1 : 0
