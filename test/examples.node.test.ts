/** The examples of embedding, run in headless Chromium; what they show is what the engine says in Node, to the bit. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { decode } from 'fast-png'
import type { Page } from 'playwright-core'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { buildExamples, EXAMPLES, EXAMPLES_DIST } from '../scripts/examples.ts'
import { serveFolder } from '../scripts/viewer-serve.mjs'
import { closeGpu, openGpu } from '../src/engine/gpu.ts'
import { closePlatform } from '../src/engine/platform.ts'
import { explain } from '../src/explain/explain-method.ts'
import { readVolume, writeVolume } from '../src/io/nifti.ts'
import { loadNetwork } from '../src/model/formats/format.ts'
import { launchChromium } from './browser/chromium.ts'

const test = suite('examples of embedding')
const browser = await launchChromium()
const root = join(EXAMPLES_DIST, '..')
let url = ''
let close = async () => {}

test.before(async () => {
  if (!browser) return
  await buildExamples()
  const server = await serveFolder(EXAMPLES_DIST)
  url = server.url
  close = server.close
})
test.after(async () => {
  await browser?.close()
  await close()
  closePlatform()
})

/** What the engine says in this process, by the method of the worker's example. */
async function compute() {
  const read = (name: string) => new Uint8Array(readFileSync(join(EXAMPLES_DIST, 'worker', name)))
  const gpu = await openGpu()
  const network = loadNetwork(read('network.safetensors'))
  const scan = readVolume(read('scan.nii.gz'))
  const { maps, attributions } = await explain(gpu, network, [scan], { method: 'ig:steps=16', target: 'AD' })
  closeGpu(gpu)
  const { probabilities, target } = attributions[0]!
  return { map: maps[0]!, text: `P(AD) = ${probabilities[target]!.toFixed(4)}` }
}
let computed: ReturnType<typeof compute> | undefined
const expected = () => (computed ??= compute())

/** Opens an example, and runs it; no error of the page, and nothing that its policy forbids, is let pass. */
async function open(name: string, run: (page: Page) => Promise<void>): Promise<void> {
  if (!browser) return console.log(`skipped: no Chromium comes through npm for ${process.platform}-${process.arch}`)
  const page = await browser.newPage({ viewport: { width: 900, height: 600 }, acceptDownloads: true })
  page.setDefaultTimeout(120_000)
  const errors: string[] = []
  page.on('pageerror', (error) => errors.push(error.message))
  page.on('console', (message) => message.type() === 'error' && errors.push(message.text()))
  await page.goto(`${url}${name}/`)
  await run(page)
  assert.equal(errors, [])
  await page.close()
}

const answer = async (page: Page) => {
  await page.waitForFunction(() => document.querySelector('output')!.value !== '')
  return page.locator('output').textContent()
}

/** Share of the canvas that has a colour. */
async function coloured(page: Page): Promise<number> {
  const { data, channels } = decode(await page.locator('canvas').screenshot())
  let count = 0
  for (let p = 0; p < data.length; p += channels) if (Math.abs(data[p]! - data[p + 2]!) > 60) count++
  return count / (data.length / channels)
}

test('niivue-explain: a map over the scan in NiiVue', () =>
  open('niivue-explain', async (page) => {
    const button = page.locator('button:enabled')
    await button.waitFor()
    const before = await coloured(page)
    await button.click()
    const { text } = await expected()
    assert.is(await answer(page), text)
    await page.waitForTimeout(200)
    const after = await coloured(page)
    assert.ok(after > before + 0.005 && after < 0.2, `${before} of the canvas is coloured, then ${after}`)
  }))

test('worker: the engine in a Web Worker, with progress, and the map as a file', () =>
  open('worker', async (page) => {
    await page.locator('button').click()
    const { map, text } = await expected()
    assert.is(await answer(page), text)
    assert.is(await page.locator('progress').evaluate((bar) => (bar as HTMLProgressElement).value), 1)
    const [download] = await Promise.all([page.waitForEvent('download'), page.getByText('Map').click()])
    assert.equal(new Uint8Array(readFileSync(await download.path())), writeVolume(map))
  }))

test('they are as short as they are shown, and the page on embedding shows them as they are', () => {
  const page = readFileSync(join(root, '..', 'docs', 'embedding.md'), 'utf8')
  for (const file of EXAMPLES.flatMap((name) => [
    `${name}/main.js`,
    ...(name === 'worker' ? ['worker/worker.js'] : []),
  ])) {
    const code = readFileSync(join(root, file), 'utf8')
    assert.ok(code.split('\n').length <= 30, file)
    assert.ok(page.includes(`\`\`\`js\n${code}\`\`\``), `${file} differs from what docs/embedding.md shows`)
  }
})

test.run()
