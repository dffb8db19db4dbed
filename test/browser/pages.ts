import { createReadStream, existsSync, statSync } from 'node:fs'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join, normalize } from 'node:path'
import { build } from 'esbuild'
import type { Browser } from 'playwright-core'
import { type Ending, type Outcome, readOutcome } from './report.ts'

const PAGE = `<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><title>voxplain suite</title>
<script type="module">
const uvu = () => globalThis.UVU_QUEUE?.[0]?.length > 1
try {
  await import('/suite.js')
  console.log(uvu() ? '@waiting' : '@done')
} catch (error) {
  console.error(error.stack)
  console.log('@crashed')
}
</script>`

export interface SuiteServer {
  /** Runs one test file in a fresh page. */
  run(name: string, file: string, seconds: number): Promise<Outcome>
  /** A short name of the WebGPU adapter that pages get. */
  adapter(): Promise<string>
  close(): Promise<void>
}

/** Serves bundled test files and the data folder on localhost, which WebGPU takes for a secure place. */
export async function serveSuites(browser: Browser, dataFolder: string): Promise<SuiteServer> {
  let bundle: Uint8Array = new Uint8Array()
  const server = createServer((request, response) => {
    const path = decodeURIComponent(new URL(request.url ?? '/', 'http://localhost').pathname)
    if (path === '/') response.setHeader('content-type', 'text/html').end(PAGE)
    else if (path === '/empty') response.setHeader('content-type', 'text/html').end('<!doctype html>')
    else if (path === '/suite.js') response.setHeader('content-type', 'text/javascript').end(bundle)
    else if (path.startsWith('/data/')) sendFile(response, join(dataFolder, normalize(path.slice('/data'.length))))
    else response.writeHead(404).end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const origin = `http://localhost:${(server.address() as AddressInfo).port}`

  return {
    async run(name, file, limit) {
      const start = performance.now()
      const lines: string[] = []
      let ending: Ending
      try {
        bundle = await bundleSuite(file)
        ending = await runPage(browser, `${origin}/`, lines, limit)
      } catch (error) {
        ending = error instanceof Error ? error.message : String(error)
      }
      return readOutcome(name, 'chromium', lines.join('\n'), ending, (performance.now() - start) / 1000)
    },
    async adapter() {
      const page = await browser.newPage()
      await page.goto(`${origin}/empty`)
      const name = await page.evaluate(async () => (await navigator.gpu?.requestAdapter())?.info.architecture)
      await page.close()
      return name ?? 'none'
    },
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** The test with uvu, fast-check and our sources in one file. Fails on any import of a Node module. */
async function bundleSuite(file: string): Promise<Uint8Array> {
  const { outputFiles } = await build({
    entryPoints: [file],
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    logLevel: 'silent',
    sourcemap: 'inline',
    sourcesContent: false,
  })
  return outputFiles[0]!.contents
}

/**
 * Loads the page and waits for the end of the suite: its file evaluated, and uvu's summary printed when it has tests.
 * What the page prints goes to `lines`; Chromium's own errors (a script that fails to load) too.
 */
async function runPage(browser: Browser, url: string, lines: string[], limit: number): Promise<Ending> {
  const page = await browser.newPage()
  try {
    return await new Promise<Ending>((resolve) => {
      let evaluated = false
      let summary = false
      const timer = setTimeout(() => resolve(`ran into the time limit of ${limit} s`), limit * 1000)
      timer.unref()
      page.on('console', (message) => {
        const text = message.text()
        if (text === '@done') resolve('ended')
        else if (text === '@crashed') resolve('the file could not be evaluated')
        else if (text === '@waiting') evaluated = true
        else lines.push(text)
        summary ||= text.includes('  Duration:  ')
        if (evaluated && summary) resolve('ended')
      })
      page.on('pageerror', (error) => resolve(`uncaught error: ${error.stack ?? error.message}`))
      page.on('crash', () => resolve('the page crashed'))
      page.goto(url).catch((error) => resolve(String(error)))
    })
  } finally {
    await page.close()
  }
}

function sendFile(response: ServerResponse, path: string): void {
  if (!existsSync(path) || !statSync(path).isFile()) response.writeHead(404).end()
  else createReadStream(path).pipe(response.setHeader('content-type', 'application/octet-stream'))
}
