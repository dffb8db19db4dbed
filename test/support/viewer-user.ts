/** What somebody does with the viewer's page, and what they read on it. */
import { readFileSync } from 'node:fs'
import type { Page } from 'playwright-core'

export interface ViewerUser {
  text(selector: string): Promise<string>
  /** A fact beside the brain or under a chart: position, region, value, cluster, clusters. */
  fact(name: string): Promise<string>
  /** Of class AD, as shown. */
  likelihood(): Promise<string>
  /** Waits for a likelihood other than this one. */
  predicted(before?: string): Promise<string>
  waitFor(selector: string, words: string): Promise<void>
  /** Waits until something holds. */
  until(holds: () => Promise<boolean>): Promise<void>
  dismissAll(): Promise<void>
  /** A choice by its English label. */
  select(label: string): ReturnType<Page['locator']>
  choiceOf(label: string): Promise<string>
  /** Waits until a choice is made, by the beginning of its text. */
  chosen(label: string, name: string): Promise<void>
  slide(label: string, value: number): Promise<void>
  /** Drops a file on the page. @param size what the file claims to have */
  drop(name: string, bytes: Uint8Array, size?: number): Promise<void>
  /** A file that the page saves. */
  exported(what: 'map' | 'picture' | 'table' | 'report'): Promise<Uint8Array>
  /** Starts a method for class AD. */
  explainWith(method: string, settings?: Readonly<Record<string, string>>): Promise<void>
}

/** Milliseconds that something may take to come to hold: generous, for busy machines. */
const PATIENCE = 30_000

export function viewerUser(page: Page): ViewerUser {
  const first = (selector: string) => page.locator(selector).first()
  const text = async (selector: string) => (await first(selector).textContent())!.trim()
  const select = (label: string) => page.locator(`.field:has(label:text-is("${label}")) select`)
  const choiceOf = async (label: string) => (await select(label).locator('option:checked').textContent())!
  const likelihood = () => text('.class[data-class="AD"] .amount')
  const until = async (holds: () => Promise<boolean>) => {
    for (const end = performance.now() + PATIENCE; !(await holds()); await page.waitForTimeout(50)) {
      if (performance.now() > end) throw new Error(`this never came to hold: ${holds}`)
    }
  }
  return {
    text,
    select,
    choiceOf,
    likelihood,
    until,
    fact: (name) => text(`[data-fact="${name}"]`),
    async predicted(before = '') {
      await page.waitForFunction((old) => {
        const now = document.querySelector('.class[data-class="AD"] .amount')?.textContent ?? ''
        return /\d/.test(now) && now !== old
      }, before)
      return likelihood()
    },
    waitFor: (selector, words) => page.locator(selector, { hasText: words }).first().waitFor(),
    // In one go: some go away by themselves meanwhile.
    dismissAll: () =>
      page.evaluate(() => {
        for (const close of document.querySelectorAll<HTMLElement>('.message .close')) close.click()
      }),
    chosen: (label, name) => until(async () => (await choiceOf(label)).startsWith(name)),
    async slide(label, value) {
      await page
        .getByLabel(label, { exact: false })
        .first()
        .evaluate((input, to) => {
          ;(input as HTMLInputElement).value = String(to)
          input.dispatchEvent(new Event('input', { bubbles: true }))
        }, value)
    },
    async drop(name, bytes, size) {
      await page.evaluate(
        ([fileName, base64, claimed]) => {
          const content = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0))
          const file = new File([content], fileName)
          if (claimed !== undefined) Object.defineProperty(file, 'size', { value: claimed })
          const event = new Event('drop', { bubbles: true, cancelable: true })
          Object.defineProperty(event, 'dataTransfer', { value: { types: ['Files'], files: [file] } })
          document.body.dispatchEvent(event)
        },
        [name, Buffer.from(bytes).toString('base64'), size] as const,
      )
    },
    async exported(what) {
      const click = page.locator(`[data-do="export-${what}"]`).click()
      const [download] = await Promise.all([page.waitForEvent('download'), click])
      return new Uint8Array(readFileSync(await download.path()))
    },
    async explainWith(method, settings = {}) {
      await select('Method').selectOption(method)
      await select('Class').selectOption('1')
      await page.locator('details.method-settings').evaluate((details) => {
        ;(details as HTMLDetailsElement).open = true
      })
      for (const [name, value] of Object.entries(settings)) await page.locator(`[name="${method}.${name}"]`).fill(value)
      await page.locator('[data-do="explain"]').click()
    },
  }
}
