/**
 * How quick the viewer is, in headless Chromium on the software adapter: npm run viewer:measure. For an idle machine.
 * A cold load is a new browser context; medians of RUNS of them, and of SLIDES moves of the threshold.
 */
import { openViewerSite } from '../test/support/viewer.ts'
import { viewerUser } from '../test/support/viewer-user.ts'
import { buildViewer } from './viewer-build.mjs'

const RUNS = 3
const SLIDES = 30

const median = (values: readonly number[]) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!
const print = (what: string, value: string, wanted: string) =>
  process.stdout.write(`${what.padEnd(52)}${value.padStart(12)}   (wanted: ${wanted})\n`)
const ms = (value: number) => `${value.toFixed(0)} ms`

const site = await openViewerSite()
if (!site) throw new Error(`no Chromium comes through npm for ${process.platform}-${process.arch}`)
const { page: weight } = await buildViewer({ data: false })
print('page without data, gzip', `${(weight / 1e6).toFixed(2)} MB`, '< 3 MB')

const views: number[] = []
const explanations: number[] = []
let busyAtStart = 0
let busyExplaining = 0
let slides: number[] = []
for (let run = 0; run < RUNS; run++) {
  const { page, firstView } = await site.open()
  const user = viewerUser(page)
  views.push(firstView)
  await user.predicted()
  const longest = () => page.evaluate(() => (globalThis as unknown as { longest: number }).longest)
  busyAtStart = Math.max(busyAtStart, await longest())
  await page.evaluate(() => Object.assign(globalThis, { longest: 0 }))
  const began = performance.now()
  await user.explainWith('lrp')
  await user.waitFor('.message', 'done in')
  explanations.push(performance.now() - began)
  busyExplaining = Math.max(busyExplaining, await longest())
  if (run === RUNS - 1) slides = await moveSlider(page)
  await page.close()
}
print('cold load to the brain with its map', ms(median(views)), '< 3000 ms')
print('threshold slider to the next frame', `${median(slides).toFixed(1)} ms`, '< 33 ms')
print('LRP of the phantom network, with compilation', ms(median(explanations)), '< 5000 ms')
print('longest task of the page while explaining', ms(busyExplaining), '< 50 ms')
print('longest task of the page while it starts', ms(busyAtStart), 'no limit')
await site.close()
process.exit()

/** Milliseconds from an input event to the frame after it, drawing included. */
function moveSlider(page: Awaited<ReturnType<NonNullable<typeof site>['open']>>['page']): Promise<number[]> {
  return page
    .getByLabel('Threshold')
    .first()
    .evaluate(async (input, count) => {
      const slider = input as HTMLInputElement
      const times: number[] = []
      for (let n = 0; n < count; n++) {
        await new Promise((done) => requestAnimationFrame(done))
        const began = performance.now()
        slider.value = String(0.1 + n / 100)
        slider.dispatchEvent(new Event('input', { bubbles: true }))
        await new Promise((done) => requestAnimationFrame(() => setTimeout(done)))
        times.push(performance.now() - began)
      }
      return times
    }, SLIDES)
}
