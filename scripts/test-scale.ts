/**
 * `npm run test:scale`: thousands of small scans in one process of voxplain explain. Prints resident memory, the heap, GPU
 * buffers and scans/s as it goes, and ends with 1 when any of them is not flat after the first 50 scans. Then the same
 * with damaged scans among them, which must be told of in the end, with exit code 1 and all others done.
 *
 * Options: --scans COUNT (default 2000), --damaged SHARE (0.01), --method NAMES (saliency), --conv (a small convolutional
 * network instead of one layer).
 */
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { main } from '../src/cli/main.ts'
import { formatTable } from '../src/cli/terminal.ts'
import { writeVolume } from '../src/io/nifti.ts'
import { writeLine } from '../test/support/bids.ts'
import { makePlace, tinyScan } from '../test/support/cli.ts'
import { UNHARMED, withTrouble } from '../test/support/fragile-gpu.ts'

const { values: flags } = parseArgs({
  options: {
    scans: { type: 'string', default: '2000' },
    damaged: { type: 'string', default: '0.01' },
    method: { type: 'string', default: 'saliency' },
    conv: { type: 'boolean', default: false },
  },
})
const count = Number(flags.scans)
const every = Math.round(1 / Number(flags.damaged))
if (!(count >= 16)) throw new Error('--scans takes a count of 16 or more')
/** Scans after which everything has to be flat. */
const settled = Math.min(50, count >> 2)
setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

/** How it stands after so many scans; memory in MB. */
interface Sample {
  readonly scans: number
  readonly rss: number
  readonly heap: number
  readonly buffers: number
  readonly gpu: number
  /** Since the sample before. */
  readonly rate: number
}

const place = await makePlace()
const network = flags.conv ? place.network : await writeLine(place)

async function writeScans(damaged: boolean): Promise<{ paths: string[]; bad: number }> {
  const paths: string[] = []
  let bad = 0
  // Sixteen contents, so that making them takes no time.
  const bytes = Array.from({ length: 16 }, (_, n) => writeVolume(tinyScan(n + 1), { gzip: true }))
  for (let n = 0; n < count; n++) {
    const whole = bytes[n % bytes.length]!
    const isBad = damaged && n % every === every >> 1
    if (isBad) bad++
    // Cut off, or some other file.
    const content = !isBad ? whole : bad % 2 === 0 ? whole.subarray(0, whole.length >> 1) : new Uint8Array(100).fill(7)
    paths.push(await place.file(`${damaged ? 'damaged' : 'sound'}/sub-${String(n).padStart(5, '0')}.nii.gz`, content))
  }
  return { paths, bad }
}

async function run(paths: readonly string[], out: string) {
  const samples: Sample[] = []
  const gpu = { ...UNHARMED }
  let [done, before, err] = [0, performance.now(), '']
  const step = Math.max(2, Math.floor(count / 40))
  const terminal = {
    out() {
      if (++done % step !== 0) return
      const now = performance.now()
      collect()
      const { rss, heapUsed, external } = process.memoryUsage()
      const rate = (1000 * step) / (now - before)
      const [mb, heap] = [rss / 1e6, (heapUsed + external) / 1e6]
      samples.push({ scans: done, rss: mb, heap, buffers: gpu.buffers, gpu: gpu.alive / 1e6, rate })
      before = performance.now()
    },
    err: (text: string) => void (err += text),
    interactive: false,
    columns: 80,
  }
  const argv = [
    'explain',
    network,
    ...paths,
    '--method',
    flags.method,
    '--target',
    'AD',
    '--out',
    join(place.folder, out),
  ]
  const began = performance.now()
  const { result: code } = await withTrouble({}, () => main(argv, terminal), gpu)
  return { samples, code, err, done, seconds: (performance.now() - began) / 1000 }
}

const faults: string[] = []
const check = (holds: boolean, what: string) => void (holds || faults.push(what))
const mean = (list: readonly number[]) => list.reduce((a, b) => a + b, 0) / list.length
const middle = (list: readonly number[]) => [...list].sort((a, b) => a - b)[list.length >> 1]!

for (const damaged of [false, true]) {
  const { paths, bad } = await writeScans(damaged)
  const { samples, code, err, done, seconds } = await run(paths, damaged ? 'maps-damaged' : 'maps-sound')
  const told = err.split('\n').filter((line) => /sub-\d+\.nii\.gz/.test(line)).length
  process.stdout.write(
    `${count} scans, ${bad} damaged: ${done} maps in ${seconds.toFixed(0)} s, ${told} told of, exit code ${code}\n`,
  )
  const shown = samples.filter((_, n) => n < 2 || n % 5 === 4)
  const rows = shown.map(({ scans, rss, heap, buffers, gpu, rate }) => [
    String(scans),
    rss.toFixed(0),
    heap.toFixed(1),
    String(buffers),
    gpu.toFixed(3),
    rate.toFixed(1),
  ])
  const head = ['scans', 'resident MB', 'heap MB', 'GPU buffers', 'GPU MB', 'scans/s']
  for (const line of formatTable([head, ...rows], [0, 1, 2, 3, 4, 5])) process.stdout.write(`${line}\n`)
  const late = samples.filter(({ scans }) => scans > settled)
  const half = late.length >> 1
  const [first, second] = [late.slice(0, half), late.slice(half)]
  const growth = mean(second.map(({ rss }) => rss)) - mean(first.map(({ rss }) => rss))
  const pace = middle(second.map(({ rate }) => rate)) / middle(first.map(({ rate }) => rate))
  process.stdout.write(
    `second half against first: resident ${growth >= 0 ? '+' : ''}${growth.toFixed(1)} MB, scans/s x${pace.toFixed(2)}\n\n`,
  )
  check(code === (bad > 0 ? 1 : 0), `exit code ${code} with ${bad} damaged scans`)
  check(done === count - bad, `${done} maps of ${count - bad} sound scans`)
  check(told >= bad, `${told} of ${bad} damaged scans are told of`)
  check(new Set(late.map(({ buffers, gpu }) => `${buffers} ${gpu}`)).size <= 1, 'GPU buffers are not flat')
  check(growth < 16, `resident memory grew by ${growth.toFixed(1)} MB`)
  check(pace > 0.8, `scans/s fell to ${(100 * pace).toFixed(0)} %`)
}
await place.clear()
for (const fault of faults) process.stdout.write(`FAILED: ${fault}\n`)
process.exitCode = faults.length > 0 ? 1 : 0
