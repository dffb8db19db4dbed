/** The libraries that only run in a browser, and ours beside them, in one page of headless Chromium. */
import { createReadStream, existsSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import type { Browser, CDPSession, Page } from 'playwright-core'
import { launchChromium } from '../test/browser/chromium.ts'
import type { Spent } from './peer-measure.ts'
import type { PeerPage } from './peer-page.ts'
import { type Place, STARTING } from './peer-place.ts'

declare const peerPage: PeerPage

const root = fileURLToPath(new URL('..', import.meta.url))
const onnxRuntime = join(root, 'node_modules', 'onnxruntime-web', 'dist')
const jax = join(root, 'node_modules', '@jax-js', 'jax', 'package.json')
const TYPES: Record<string, string> = { js: 'text/javascript', mjs: 'text/javascript', wasm: 'application/wasm' }

/**
 * @param names of `onnxruntime` and `jax`.
 * @throws Error where no Chromium comes with the project, or the page cannot be made.
 */
export async function openChromium(names: readonly string[]): Promise<Place> {
  const browser = await launchChromium()
  if (!browser) throw new Error(`no Chromium comes through npm for ${process.platform}-${process.arch}`)
  const server = await serve(await bundle())
  const close = async () => {
    await browser.close()
    server.closeAllConnections()
    server.close()
  }
  try {
    const page = await browser.newPage()
    const cpu = await cpuClock(browser)
    const faults: string[] = []
    page.on('pageerror', (error) => faults.push(error.message))
    await page.goto(`http://localhost:${(server.address() as AddressInfo).port}/`)
    await page
      .waitForFunction(() => 'peerPage' in globalThis, undefined, { timeout: STARTING })
      .catch(() => {
        throw new Error(`the page does not start: ${faults[0] ?? 'no answer'}`)
      })
    const version = existsSync(jax) ? (JSON.parse(readFileSync(jax, 'utf8')) as { version: string }).version : ''
    const opened = await page.evaluate(([n, v]) => peerPage.open(n, v), [[...names], version] as const)
    return placeOf(page, cpu, { ...opened, name: `Chromium ${browser.version()}` }, close)
  } catch (error) {
    await close()
    throw error
  }
}

function placeOf(
  page: Page,
  cpu: () => Promise<number>,
  about: Pick<Place, 'name' | 'adapter' | 'software' | 'versions' | 'notTimed'>,
  close: Place['close'],
): Place {
  return {
    ...about,
    async start(work) {
      const { ready, notTimed } = await page.evaluate((w) => peerPage.start(w), work)
      const run = async (side: number, times: number): Promise<Spent> => {
        const before = await cpu()
        const milliseconds = await page.evaluate(([s, t]) => peerPage.run(s, t), [side, times] as const)
        return { milliseconds, cpuMilliseconds: (await cpu()) - before }
      }
      return {
        ready: ready.map((side, k) => ({ ...side, run: (times) => run(k, times) })),
        notTimed,
        dispose: () => page.evaluate(() => peerPage.dispose()),
      }
    },
    close,
  }
}

/** CPU time in ms of all processes of the browser: a software adapter computes in one of them. */
async function cpuClock(browser: Browser): Promise<() => Promise<number>> {
  const session: CDPSession = await browser.newBrowserCDPSession()
  return async () => {
    const { processInfo } = await session.send('SystemInfo.getProcessInfo')
    return 1000 * processInfo.reduce((sum, { cpuTime }) => sum + cpuTime, 0)
  }
}

/** The page's script in several files, each library in one of its own. */
async function bundle(): Promise<ReadonlyMap<string, Uint8Array>> {
  const { outputFiles } = await build({
    entryPoints: { page: join(root, 'bench', 'peer-page.ts') },
    outdir: '/',
    bundle: true,
    splitting: true,
    write: false,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    logLevel: 'silent',
  })
  return new Map(outputFiles.map(({ path, contents }) => [`/${basename(path)}`, contents]))
}

async function serve(files: ReadonlyMap<string, Uint8Array>) {
  const server = createServer((request, response) => {
    const path = new URL(request.url ?? '/', 'http://localhost').pathname
    const type = TYPES[path.split('.').at(-1)!]
    if (type) response.setHeader('content-type', type)
    const library = join(onnxRuntime, basename(path))
    if (path === '/') {
      const text =
        '<!doctype html><meta charset="utf-8"><title>peers</title><script type="module" src="/page.js"></script>'
      response.setHeader('content-type', 'text/html').end(text)
    } else if (files.has(path)) response.end(files.get(path))
    else if (path.startsWith('/onnxruntime/') && existsSync(library)) createReadStream(library).pipe(response)
    else response.writeHead(404).end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return server
}
