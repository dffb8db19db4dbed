/**
 * The commands of docs/cluster.md, on a real Slurm of one node that is started for them:
 *
 *     npm run test:cluster
 *
 * The study of that page is made by single processes and by the workflow through sbatch. On the way a job is killed while it
 * trains, and the node loses power while it explains. Both results must be the same bytes. What is missing (Slurm, munge,
 * Snakemake) is installed with apt-get; where that cannot be, the test says why and is skipped, with exit code 0, or 1 with
 * VOXPLAIN_CLUSTER=require. Everything that was started is ended, and all files are removed.
 *
 * VOXPLAIN_CLUSTER_MINUTES: time limit of all of it (default 30).
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { installSlurm, kill, Lacking, type Slurm, startSlurm } from './test-cluster-slurm.ts'

/** All of it, in minutes; a machine with much else to do may need more. */
const LIMIT = Number(process.env.VOXPLAIN_CLUSTER_MINUTES ?? 30)
const root = fileURLToPath(new URL('..', import.meta.url))
const began = performance.now()
const say = (text: string) =>
  void process.stdout.write(`${((performance.now() - began) / 1000).toFixed(0).padStart(4)} s  ${text}\n`)

/** Blocks of code in the page by the word after their language. */
function readBlocks(): (name: string) => string {
  const page = readFileSync(join(root, 'docs', 'cluster.md'), 'utf8')
  const blocks = new Map([...page.matchAll(/^```\w+ (\S+)\n(.*?)^```$/gms)].map(([, name, text]) => [name!, text!]))
  return (name) => {
    const text = blocks.get(name)
    if (text === undefined) throw new Error(`docs/cluster.md has no block of code "${name}"`)
    return text
  }
}

const children = new Set<ChildProcess>()

interface Running {
  readonly ended: Promise<void>
  over(): boolean
  /** What it said so far. */
  said(): string
}

/** Starts commands as a user would type them. @throws (ended) with the end of what they said when one of them fails */
function start(commands: string, folder: string, env: Readonly<Record<string, string>>): Running {
  const child = spawn('bash', ['-euo', 'pipefail', '-c', commands], { cwd: folder, env, detached: true })
  children.add(child)
  let said = ''
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (said += text))
  let over = false
  const ended = new Promise<void>((resolve, reject) => {
    child.on('close', (code, signal) => {
      over = true
      children.delete(child)
      if (code === 0) resolve()
      else reject(new Error(`ended with ${code ?? signal}:\n${commands}\n${said.split('\n').slice(-40).join('\n')}`))
    })
  })
  ended.catch(() => undefined)
  return { ended, over: () => over, said: () => said }
}

/** Looks again and again until there is something. @throws when the commands end before */
async function until<T>(what: string, run: Running, look: () => T | undefined): Promise<T> {
  for (;;) {
    const found = look()
    if (found !== undefined) return found
    if (run.over()) throw new Error(`the workflow ended before ${what}:\n${run.said().slice(-3000)}`)
    await sleep(20)
  }
}

const namesIn = (folder: string) => {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

/** Kills a process that trains, between two checkpoints. */
async function killTraining(cv: string, run: Running): Promise<void> {
  const parts = [0, 1].flatMap((fold) => [0, 1].map((n) => `fold-${fold}/run-${n}`))
  const part = await until('a training could be killed', run, () =>
    parts.find((name) => {
      const names = namesIn(join(cv, name))
      const claim = names.find((one) => one.startsWith('.claim.'))
      if (!claim || !names.includes('checkpoint.safetensors')) return false
      const { pid } = JSON.parse(readFileSync(join(cv, name, claim), 'utf8'))
      kill(pid, 'SIGKILL')
      return !namesIn(join(cv, name)).includes('metrics.json')
    }),
  )
  say(`killed (-9) the job that trained ${part}, after its first checkpoint`)
}

/** Takes the node's power away while it explains, waits until Slurm has noticed, and gives it back. */
async function losePower(maps: string, slurm: Slurm, run: Running): Promise<void> {
  const scan = await until('a scan was worked on', run, () =>
    namesIn(maps)
      .flatMap((network) => namesIn(join(maps, network, '.voxplain', 'claims')))
      .find((name) => name.startsWith('sub-')),
  )
  const jobs = slurm.cutPower()
  say(`cut the node's power (jobs ${jobs.join(', ')}; ${scan.split('.')[0]} was in work)`)
  await until('Slurm saw that the node was down', run, () => (slurm.nodeState().startsWith('DOWN') ? true : undefined))
  const states = jobs.map((job) => /JobState=(\w+)/.exec(slurm.ask('scontrol', 'show', 'job', job))?.[1])
  say(`Slurm has the node as down, and the jobs as ${states.join(', ')}; power is back`)
  slurm.powerOn()
}

/** Hash and number of the files of a study, but for marks and what is only about the work. */
function digestOf(folder: string): string {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  const names = entries
    .map(({ parentPath, name }) => join(parentPath, name).slice(folder.length + 1))
    .filter((name) => !/(^|\/)\.voxplain\/|^done\/|(^|\/)times\.tsv$/.test(name))
    .sort()
  const left = names.filter((name) => /\.tmp$|\.claim\.|checkpoint/.test(name))
  if (left.length > 0) throw new Error(`${folder} has files that should be gone: ${left.join(', ')}`)
  const hash = createHash('sha256')
  for (const name of names) hash.update(`${name}\n`).update(readFileSync(join(folder, name)))
  return `${names.length} files, ${hash.digest('hex').slice(0, 16)}`
}

async function test(folder: string, slurm: Slurm): Promise<void> {
  const block = readBlocks()
  mkdirSync(join(folder, 'bin'))
  symlinkSync(join(root, 'bin', 'voxplain.mjs'), join(folder, 'bin', 'voxplain'))
  const env = { ...slurm.env, PATH: `${join(folder, 'bin')}:${slurm.env.PATH}`, VOXPLAIN: root.replace(/\/$/, '') }
  const run = (name: string) => start(block(name), folder, env)
  writeFileSync(join(folder, 'study.yaml'), block('study.yaml'))
  await run('data').ended
  await run('laptop').ended
  say('the study by single processes is done')
  const workflow = run('slurm')
  const study = join(folder, 'cluster', 'study')
  await killTraining(join(study, 'cv'), workflow)
  await losePower(join(study, 'maps'), slurm, workflow)
  await workflow.ended
  const count = (pattern: RegExp) => workflow.said().match(pattern)?.length ?? 0
  const [sent, again] = [count(/^Submitted .*job \d+ with external jobid/gm), count(/^Trying to restart job/gm)]
  say(`the workflow is done: ${sent} jobs went through sbatch, ${again} of them sent again`)
  if (again < 2) throw new Error('neither the killed job nor those of the lost node were sent again')
  await run('same').ended
  const [laptop, cluster] = [join(folder, 'laptop', 'study'), study].map(digestOf)
  if (laptop !== cluster) throw new Error(`single processes: ${laptop}; cluster: ${cluster}`)
  say(`same bytes as the single processes: ${cluster}`)
  await run('array').ended
  say('the job array made the same maps')
}

function finish(code: number, slurm: Slurm | undefined, folder: string | undefined): never {
  for (const child of children) {
    try {
      process.kill(-child.pid!, 'SIGKILL')
    } catch {
      // It has ended meanwhile.
    }
  }
  slurm?.stop()
  if (folder) rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 500 })
  process.exit(code)
}

let slurm: Slurm | undefined
let folder: string | undefined
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => finish(130, slurm, folder))
setTimeout(() => {
  say(`FAILED: not done after ${LIMIT} minutes`)
  finish(1, slurm, folder)
}, LIMIT * 60_000).unref()
try {
  installSlurm(say)
  folder = mkdtempSync(join(tmpdir(), 'voxplain-cluster-'))
  slurm = await startSlurm(join(folder, 'slurm'))
  say(`${slurm.ask('sbatch', '--version')}, Snakemake ${slurm.ask('snakemake', '--version')}: one node is up`)
  await test(folder, slurm)
  finish(0, slurm, folder)
} catch (error) {
  const required = process.env.VOXPLAIN_CLUSTER === 'require'
  if (error instanceof Lacking) say(`${required ? 'FAILED' : 'skipped'}: ${error.message}`)
  else say(`FAILED: ${(error as Error).message}`)
  finish(error instanceof Lacking && !required ? 0 : 1, slurm, folder)
}
