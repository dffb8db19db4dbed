/** The viewer as a visitor has it: built, served on localhost, in a page of headless Chromium. */
import { fileURLToPath } from 'node:url'
import type { Browser, Page } from 'playwright-core'
import { buildViewer } from '../../scripts/viewer-build.mjs'
import { serveFolder } from '../../scripts/viewer-serve.mjs'
import { launchChromium } from '../browser/chromium.ts'

export const DIST = fileURLToPath(new URL('../../viewer/dist', import.meta.url))

export interface ViewerSite {
  readonly browser: Browser
  readonly url: string
  /** A page with a record of what it asked for and what went wrong. */
  open(options?: OpenOptions): Promise<ViewerPage>
  close(): Promise<void>
}

export interface OpenOptions {
  readonly width?: number
  readonly height?: number
  /** As a browser that has no WebGPU. */
  readonly withoutGpu?: boolean
}

export interface ViewerPage {
  readonly page: Page
  /** URLs that were asked for, in order. */
  readonly requests: string[]
  /** Errors on the console, uncaught ones included. */
  readonly errors: string[]
  /** Milliseconds until the first brain with its map, and until the likelihood. */
  readonly firstView: number
}

/** Undefined where no Chromium comes through npm. */
export async function openViewerSite(): Promise<ViewerSite | undefined> {
  const browser = await launchChromium()
  if (!browser) return undefined
  await buildViewer({ data: false })
  const server = await serveFolder(DIST)
  return {
    browser,
    url: server.url,
    open: (options = {}) => open(browser, server.url, options),
    async close() {
      await browser.close()
      await server.close()
    },
  }
}

async function open(browser: Browser, url: string, options: OpenOptions): Promise<ViewerPage> {
  const { width = 1440, height = 900, withoutGpu } = options
  const page = await browser.newPage({ viewport: { width, height }, locale: 'en', acceptDownloads: true })
  page.setDefaultTimeout(40_000)
  const requests: string[] = []
  const errors: string[] = []
  page.on('request', (request) => requests.push(request.url()))
  page.on('pageerror', (error) => errors.push(error.stack ?? error.message))
  page.on('console', (message) => {
    if (message.type() === 'error') errors.push(message.text())
  })
  await page.addInitScript(() => {
    // Workers, so that a test can lose the GPU; shifts of the layout that no input explains; the longest task.
    const kept = Object.assign(globalThis, { workers: [] as Worker[], shift: 0, longest: 0 })
    const { Worker: Original } = globalThis
    globalThis.Worker = class extends Original {
      constructor(file: string | URL, settings?: WorkerOptions) {
        super(file, settings)
        kept.workers.push(this)
      }
    }
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries() as unknown as { value: number; hadRecentInput: boolean }[]) {
        if (!entry.hadRecentInput) kept.shift += entry.value
      }
    }).observe({ type: 'layout-shift', buffered: true })
    new PerformanceObserver((list) => {
      for (const { duration } of list.getEntries()) kept.longest = Math.max(kept.longest, duration)
    }).observe({ type: 'longtask', buffered: true })
  })
  if (withoutGpu) {
    await page.route('**/engine.js', async (route) => {
      const response = await route.fetch()
      const body = `Object.defineProperty(navigator, 'gpu', { value: undefined });\n${await response.text()}`
      await route.fulfill({ response, body })
    })
  }
  const began = performance.now()
  await page.goto(url)
  await page.waitForFunction(() => document.querySelectorAll('.bars li').length > 0)
  return { page, requests, errors, firstView: performance.now() - began }
}
