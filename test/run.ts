/**
 * Runs everything: types, lint, then every test/*.test.ts in Node (each file its own process) and, save *.node.test.ts,
 * in headless Chromium (each file a fresh page). Hashes that a suite reports on both sides must agree.
 *
 *     npm test                    all
 *     npm test -- engine mask     only files whose name contains one of the words, without types and lint
 *     npm test -- --node          only Node; --browser: only Chromium
 *
 * VOXPLAIN_TEST_SECONDS: time limit of one file (default 300).
 */
import { spawn } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { adapterName } from '../src/engine/adapter.ts'
import { closePlatform, requestGpuAdapter } from '../src/engine/platform.ts'
import { launchChromium } from './browser/chromium.ts'
import { serveSuites } from './browser/pages.ts'
import { compareHashes, type Outcome, outcomeLines, readOutcome } from './browser/report.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const require = createRequire(import.meta.url)
const words = process.argv.slice(2).filter((word) => !word.startsWith('--'))
const flags = new Set(process.argv.slice(2).filter((word) => word.startsWith('--')))
const seconds = Number(process.env.VOXPLAIN_TEST_SECONDS ?? 300)
const outcomes: Outcome[] = []

// Leaving through process.exit ends the children, which run in process groups of their own.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130))
for (const flag of flags) if (flag !== '--node' && flag !== '--browser') fail(`unknown option ${flag}; see test/run.ts`)
const wantsNode = !flags.has('--browser')
const wantsBrowser = !flags.has('--node')

const files = readdirSync(join(root, 'test'))
  .filter((file) => file.endsWith('.test.ts') && (words.length === 0 || words.some((word) => file.includes(word))))
  .sort((a, b) => Number(b.startsWith('tiny.')) - Number(a.startsWith('tiny.')) || (a < b ? -1 : 1))
if (files.length === 0) fail(`no test file has ${words.join(' or ')} in its name`)

const adapter = adapterName(await requestGpuAdapter())
closePlatform()
print(`voxplain tests: Node ${process.version}, ${adapter}`)

if (words.length === 0 && wantsNode) {
  print('\nchecks')
  await Promise.all([
    check('types', 'typescript', 'bin/tsc', '--noEmit', '-p', '.'),
    check('lint', '@biomejs/biome', 'bin/biome', 'check'),
  ])
}
if (wantsNode) await runNode()
if (wantsBrowser) await runBrowser()
finish()

/** At most two files at once; the first alone when it is the tiny one, which tells whether anything works. */
async function runNode(): Promise<void> {
  print('\nNode')
  const waiting = [...files]
  if (waiting[0]?.startsWith('tiny.')) await runNodeFile(waiting.shift()!)
  if (outcomes.some((o) => o.name === 'tiny' && o.failed)) fail('\nthe tiny test failed, so the rest was not run')
  const worker = async (): Promise<void> => {
    for (let file = waiting.shift(); file; file = waiting.shift()) await runNodeFile(file)
  }
  await Promise.all([worker(), worker()])
}

async function runNodeFile(file: string): Promise<void> {
  const start = performance.now()
  const { printed, ending } = await execute(process.execPath, ['--import', 'tsx', join('test', file)])
  add(readOutcome(nameOf(file), 'node', printed, ending, (performance.now() - start) / 1000))
}

/** At most two pages at once, each in a browser of its own: one browser runs all its GPU work on one thread. */
async function runBrowser(): Promise<void> {
  const waiting = files.filter((file) => !file.endsWith('.node.test.ts'))
  if (waiting.length === 0) return
  const data = process.env.VOXPLAIN_DATA ?? join(root, '..', 'shared', 'data')
  const first = await openBrowser(data)
  if (!first) {
    print(`\nChromium\n  - no Chromium comes through npm for ${process.platform}-${process.arch}`)
    return
  }
  const theirs = await first.server.adapter()
  print(`\nChromium ${first.browser.version()}, ${theirs}`)
  const worker = async ({ browser, server }: NonNullable<typeof first>): Promise<void> => {
    for (let file = waiting.shift(); file; file = waiting.shift()) {
      add(await server.run(nameOf(file), join(root, 'test', file), seconds))
    }
    await server.close()
    await browser.close()
  }
  const second = waiting.length > 1 ? openBrowser(data).then((own) => own && worker(own)) : undefined
  await Promise.all([worker(first), second])
  if (wantsNode) reportHashes(theirs.toLowerCase() === adapter.toLowerCase())
}

async function openBrowser(data: string) {
  const browser = await launchChromium()
  return browser && { browser, server: await serveSuites(browser, data) }
}

/** Bits are only promised on one and the same adapter. */
function reportHashes(comparable: boolean): void {
  const { same, different } = compareHashes(outcomes)
  if (same + different.length === 0) return
  if (!comparable) {
    print('\nhashes not compared: two adapters (VOXPLAIN_ADAPTER=software gives both the same)')
    return
  }
  print(`\nhashes of Node and Chromium: ${same} the same, ${different.length} different`)
  for (const line of different) print(`  ✗ ${line}`)
  if (different.length) {
    const empty = { passed: 0, skipped: 0, reasons: [], hashes: new Map<string, string>(), seconds: 0, output: '' }
    outcomes.push({ ...empty, name: 'hashes', side: 'check', failed: different.length })
  }
}

async function check(name: string, packageName: string, script: string, ...args: string[]): Promise<void> {
  const start = performance.now()
  const tool = join(dirname(require.resolve(`${packageName}/package.json`)), script)
  const { printed, ending } = await execute(process.execPath, [tool, ...args])
  const ok = ending === 'ended'
  const counts = { passed: ok ? 1 : 0, failed: ok ? 0 : 1, skipped: 0, reasons: [], hashes: new Map<string, string>() }
  add({ name, side: 'check', ...counts, seconds: (performance.now() - start) / 1000, output: printed.trim() })
}

/** Runs a program in a process group of its own, so that the time limit ends its children too. */
function execute(program: string, args: string[]): Promise<{ printed: string; ending: string }> {
  return new Promise((resolve) => {
    const detached = process.platform !== 'win32'
    // What a user's machine has measured does not reach the tests.
    const env = { ...process.env, NO_COLOR: '1', VOXPLAIN_CACHE: 'off' }
    const child = spawn(program, args, { cwd: root, env, detached, stdio: ['ignore', 'pipe', 'pipe'] })
    const stop = (): void => {
      if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
      detached ? process.kill(-child.pid, 'SIGKILL') : child.kill('SIGKILL')
    }
    let printed = ''
    let late = false
    const timer = setTimeout(() => {
      late = true
      stop()
    }, seconds * 1000)
    process.once('exit', stop)
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text) => (printed += text))
    child.on('error', (error) => (printed += error.message))
    child.on('close', (code, signal) => {
      clearTimeout(timer)
      process.off('exit', stop)
      const ending = late ? `ran into the time limit of ${seconds} s` : `ended by ${signal ?? `exit code ${code}`}`
      resolve({ printed, ending: code === 0 && !late ? 'ended' : ending })
    })
  })
}

function nameOf(file: string): string {
  return file.replace(/(\.node)?\.test\.ts$/, '')
}

function add(outcome: Outcome): void {
  outcomes.push(outcome)
  print(outcomeLines(outcome))
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}

function fail(message: string): never {
  print(message)
  return finish(1)
}

/** The last line is for scripts, too: `N passed, N failed, N skipped`. */
function finish(more = 0): never {
  const total = (key: 'passed' | 'failed' | 'skipped'): number => outcomes.reduce((sum, o) => sum + o[key], 0)
  const failed = total('failed') || more
  print(`\n${total('passed')} passed, ${failed} failed, ${total('skipped')} skipped`)
  process.exit(failed ? 1 : 0)
}
