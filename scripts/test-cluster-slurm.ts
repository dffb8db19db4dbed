/** A real Slurm of one node, started for a test and ended with it. Linux with apt, as root. */
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { cpus, hostname, totalmem } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const PROGRAMS = ['sbatch', 'slurmctld', 'slurmd', 'munged', 'snakemake']
const PACKAGES = ['slurm-wlm', 'munge', 'snakemake']
/** For apt to fetch and unpack them. */
const INSTALLING = 300_000

/** What a machine lacks for a Slurm; the test is skipped there. */
export class Lacking extends Error {}

/**
 * Installs Slurm, munge and Snakemake where they are missing, from the mirrors that the machine is set up with.
 * @throws Lacking in words
 */
export function installSlurm(say: (text: string) => void): void {
  if (process.platform !== 'linux') throw new Lacking(`there is no Slurm for ${process.platform}`)
  if (process.getuid?.() !== 0) throw new Lacking('starting a Slurm of its own needs root')
  if (PROGRAMS.every(hasProgram)) return
  if (!hasProgram('apt-get')) throw new Lacking(`${PROGRAMS.join(', ')} are not installed, and there is no apt-get`)
  say(`installing ${PACKAGES.join(', ')} with apt-get`)
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  const apt = (...words: string[]) => spawnSync('apt-get', words, { env, timeout: INSTALLING, encoding: 'utf8' })
  apt('update', '-qq')
  const { status, stderr } = apt('install', '-y', '-qq', '--no-install-recommends', ...PACKAGES)
  if (status !== 0 || !PROGRAMS.every(hasProgram)) {
    throw new Lacking(`apt-get could not install them: ${stderr?.trim().split('\n').at(-1) || 'it took too long'}`)
  }
}

function hasProgram(name: string): boolean {
  const folders = [...(process.env.PATH ?? '').split(':'), '/usr/sbin', '/sbin']
  return folders.some((folder) => existsSync(join(folder, name)))
}

export interface Slurm {
  /** For commands that are to talk to it. */
  readonly env: Readonly<Record<string, string>>
  /** Words of a command of Slurm, or nothing where it fails. */
  ask(command: string, ...words: string[]): string
  /** Ids of the jobs that run, with their names. */
  running(): { id: string; name: string }[]
  /** Processes of a job. */
  processes(job: string): number[]
  /** The power of the node fails: its daemon, what starts its jobs, and all their processes are gone at once. @returns the jobs */
  cutPower(): string[]
  /** The node is switched on again. */
  powerOn(): void
  /** IDLE, MIXED, DOWN, ... */
  nodeState(): string
  /** Ends everything that was started. */
  stop(): void
}

/** Starts it. @param folder of its own @throws Lacking when it does not come up */
export async function startSlurm(folder: string): Promise<Slurm> {
  for (const name of ['state', 'spool', 'log']) mkdirSync(join(folder, name), { recursive: true })
  const conf = join(folder, 'slurm.conf')
  const [controlPort, nodePort] = [await freePort(), await freePort()]
  writeFileSync(conf, configuration(folder, controlPort, nodePort))
  // Two GPUs that are none, so that --gres=gpu:1 is counted and passed on.
  writeFileSync(join(folder, 'gres.conf'), 'Name=gpu File=/dev/null\nName=gpu File=/dev/zero\n')
  const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin`, SLURM_CONF: conf } as Record<
    string,
    string
  >
  const ownMunge = startMunge()
  const daemon = (name: string) => spawnSync(name, ['-f', conf], { env, encoding: 'utf8' })
  const pidOf = (name: string) =>
    existsSync(join(folder, name)) ? Number(readFileSync(join(folder, name), 'utf8')) : 0
  const ask = (command: string, ...words: string[]) =>
    spawnSync(command, words, { env, encoding: 'utf8', timeout: 30_000 }).stdout?.trim() ?? ''
  const slurm: Slurm = {
    env,
    ask,
    running: () =>
      lines(ask('squeue', '--noheader', '--states=RUNNING', '--format=%i %j')).map((line) => {
        const [id, name] = line.split(' ')
        return { id: id!, name: name! }
      }),
    processes: (job) =>
      lines(ask('scontrol', 'listpids', job)).flatMap((line) =>
        /^\s*(\d+)/.test(line) ? [Number.parseInt(line, 10)] : [],
      ),
    cutPower() {
      const jobs = slurm.running().map(({ id }) => id)
      const inJobs = jobs.flatMap((job) => slurm.processes(job)).filter((pid) => pid > 1)
      const starters = inJobs.map(parentOf).filter((pid) => nameOf(pid).startsWith('slurmstepd'))
      for (const pid of new Set([pidOf('slurmd.pid'), ...starters, ...inJobs])) kill(pid, 'SIGKILL')
      return jobs
    },
    powerOn: () => void daemon('slurmd'),
    nodeState: () => ask('sinfo', '--noheader', '--format=%T').toUpperCase(),
    stop() {
      slurm.cutPower()
      kill(pidOf('slurmctld.pid'), 'SIGTERM')
      if (ownMunge) kill(ownMunge, 'SIGTERM')
    },
  }
  try {
    for (const name of ['slurmctld', 'slurmd']) {
      const { status, stderr } = daemon(name)
      if (status !== 0) throw new Lacking(`${name} did not start: ${stderr.trim().split('\n').at(-1)}`)
    }
    const tried = Date.now()
    while (slurm.nodeState() !== 'IDLE') {
      if (Date.now() - tried > 60_000) throw new Lacking(`the node of the test did not come up: ${slurm.nodeState()}`)
      await sleep(500)
    }
    return slurm
  } catch (error) {
    slurm.stop()
    throw error
  }
}

function configuration(folder: string, controlPort: number, nodePort: number): string {
  const host = hostname().split('.')[0]
  const megabytes = Math.floor(totalmem() / 2 ** 20)
  return `ClusterName=test
SlurmctldHost=${host}(127.0.0.1)
SlurmctldPort=${controlPort}
SlurmdPort=${nodePort}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CryptoType=crypto/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SwitchType=switch/none
MpiDefault=none
GresTypes=gpu
ReturnToService=2
# A node that says nothing for so long is down, in seconds.
SlurmdTimeout=10
StateSaveLocation=${folder}/state
SlurmdSpoolDir=${folder}/spool
SlurmctldPidFile=${folder}/slurmctld.pid
SlurmdPidFile=${folder}/slurmd.pid
SlurmctldLogFile=${folder}/log/slurmctld.log
SlurmdLogFile=${folder}/log/slurmd.log
NodeName=${host} NodeAddr=127.0.0.1 CPUs=${cpus().length} RealMemory=${Math.floor(0.9 * megabytes)} Gres=gpu:2 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
`
}

/** @returns the process, or 0 where a munge runs that is not ours */
function startMunge(): number {
  if (pidsOf('munged').length > 0) return 0
  mkdirSync('/run/munge', { recursive: true })
  const folders = ['/run/munge', '/var/log/munge', '/var/lib/munge', '/etc/munge']
  try {
    execFileSync('chown', ['-R', 'munge:munge', ...folders])
    execFileSync('su', ['-s', '/bin/sh', 'munge', '-c', '/usr/sbin/munged'])
  } catch (error) {
    throw new Lacking(`munge did not start: ${(error as Error).message.split('\n')[0]}`)
  }
  return pidsOf('munged')[0] ?? 0
}

const lines = (text: string) => text.split('\n').filter((line) => line !== '')

function pidsOf(name: string): number[] {
  const pids = readdirSync('/proc').filter((one) => /^\d+$/.test(one))
  return pids.map(Number).filter((pid) => nameOf(pid) === name)
}

function nameOf(pid: number): string {
  return status(pid).Name ?? ''
}

function parentOf(pid: number): number {
  return Number(status(pid).PPid ?? 0)
}

function status(pid: number): Record<string, string> {
  try {
    const text = readFileSync(`/proc/${pid}/status`, 'utf8')
    return Object.fromEntries(lines(text).map((line) => line.split(':\t') as [string, string]))
  } catch {
    return {}
  }
}

export function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    if (pid > 1) process.kill(pid, signal)
  } catch {
    // It is gone already.
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().on('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })
}
