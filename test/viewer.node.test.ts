/** The viewer in a real browser, used as people use it. The page's own adapter is that of the tests, so maps agree to the bit. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync, gzipSync } from 'fflate'
import type { Page } from 'playwright-core'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { closeGpu, openGpu } from '../src/engine/gpu.ts'
import { closePlatform } from '../src/engine/platform.ts'
import { explain } from '../src/explain/explain-method.ts'
import { readVolume, writeVolume } from '../src/io/nifti.ts'
import { resample } from '../src/io/resample.ts'
import { loadNetwork } from '../src/model/formats/format.ts'
import { exportOnnx } from '../src/model/formats/onnx-export.ts'
import { DIST, openViewerSite, type ViewerPage, type ViewerSite } from './support/viewer.ts'
import { type ViewerUser, viewerUser } from './support/viewer-user.ts'

const viewer = suite('viewer')
const data = (name: string) => new Uint8Array(readFileSync(join(DIST, 'data', name)))
const site = await openViewerSite()
let opened: ViewerPage
let page: Page
let user: ViewerUser

/** A test that needs the browser. */
function it(name: string, run: (site: ViewerSite) => Promise<void>): void {
  viewer(name, async () => {
    if (!site) return console.log(`skipped: no Chromium comes through npm for ${process.platform}-${process.arch}`)
    await run(site)
  })
}

it('opens with a phantom, its map and what the network says', async (own) => {
  // No larger than the layout for desks needs: a software GPU draws every pixel.
  opened = await own.open({ width: 1000, height: 640 })
  page = opened.page
  user = viewerUser(page)
  await user.predicted()
  assert.match(await user.likelihood(), /^\d+\.\d %$/)
  assert.ok((await page.locator('.bars li').count()) > 3)
  assert.match(await user.fact('position'), /^-?\d+, -?\d+, -?\d+ mm$/)
  assert.ok(
    opened.requests.every((url) => url.startsWith(own.url)),
    'asks nobody but its own server',
  )
  const shift = await page.evaluate(() => (globalThis as unknown as { shift: number }).shift)
  assert.ok(shift < 0.1, `the layout shifts by ${shift}`)
  console.log(`first meaningful view after ${(opened.firstView / 1000).toFixed(2)} s, layout shift ${shift.toFixed(3)}`)
})

it('shows another subject', async () => {
  const before = await user.likelihood()
  await user.select('Subject').selectOption('sub-123')
  assert.is.not(await user.predicted(before), before)
  await user.select('Subject').selectOption('sub-124')
  assert.is(await user.predicted(await user.likelihood()), before)
})

it('computes LRP without asking the network for anything, to the bit of the command line', async () => {
  // Maps that were made before come in the background.
  const { maps: made } = JSON.parse(readFileSync(join(DIST, 'data', 'manifest.json'), 'utf8'))
  await user.until(async () => (await user.select('Second map').locator('option').count()) === made.length + 1)
  const asked = opened.requests.length
  await page.evaluate(() => Object.assign(globalThis, { longest: 0 }))
  const began = performance.now()
  await user.explainWith('lrp')
  await user.waitFor('.message', 'done in')
  const seconds = (performance.now() - began) / 1000
  const longest = await page.evaluate(() => (globalThis as unknown as { longest: number }).longest)
  const blob = /^blob:/
  assert.equal(
    opened.requests.slice(asked).filter((url) => !blob.test(url)),
    [],
  )
  const file = gunzipSync(await user.exported('map'))
  const gpu = await openGpu()
  const network = loadNetwork(data('phantom.safetensors'))
  const { maps } = await explain(gpu, network, [readVolume(data('sub-124.nii.gz'))], { method: 'lrp', target: 'AD' })
  closeGpu(gpu)
  const expected = writeVolume(maps[0]!, { description: 'voxplain lrp AD' })
  assert.is(Buffer.compare(file, expected), 0, 'the exported file is that of the command line')
  console.log(
    `LRP of the phantom network: ${seconds.toFixed(2)} s with compilation; the page was busy ${longest.toFixed(0)} ms at most`,
  )
  await user.dismissAll()
})

it('watches a mask while it is optimised, and stops one', async () => {
  await user.explainWith('mask', { iterations: '15', resolution: '4' })
  await user.waitFor('.progress .state', 'under the mask')
  const points = () => page.locator('.trace').getAttribute('points')
  await user.waitFor('.message', 'done in')
  assert.ok((await points())!.split(' ').length >= 2, 'its score is drawn as it falls')
  assert.match(await user.choiceOf('Map'), /mask/i)
  const map = readVolume(await user.exported('map'))
  assert.ok(map.data.some((v) => v > 0.05) && map.data.every((v) => v >= 0 && v <= 1))
  await user.dismissAll()
  await user.explainWith('mask', { iterations: '4000', resolution: '4' })
  await user.waitFor('.progress .state', 'under the mask')
  await page.locator('[data-do="cancel"]').click()
  await user.waitFor('.message', 'Cancelled')
  assert.ok(await page.locator('[data-do="explain"]').isEnabled())
  await user.dismissAll()
})

it('counts what is shown: threshold and cluster size', async () => {
  await user.select('Map').selectOption('sub-124-lrp')
  const clusters = async () =>
    ((await user.fact('clusters')).match(/\d[\d,]*/g) ?? []).map((n) => Number(n.replaceAll(',', '')))
  const total = () => page.locator('.sums').first().getAttribute('data-total').then(Number)
  await user.slide('Threshold', 0.2)
  await user.until(async () => (await clusters())[2]! > 100)
  const [, , voxels] = await clusters()
  const sum = await total()
  await user.slide('Threshold', 0.5)
  await user.until(async () => (await clusters())[2]! < voxels!)
  await user.until(async () => (await total()) < sum)
  const [shown, all] = await clusters()
  assert.is(shown, all)
  await user.slide('Smallest cluster', 5)
  await user.until(async () => (await clusters())[0]! < all!)
  assert.is((await clusters())[1], all, 'those that are left out are counted')
  await user.slide('Smallest cluster', 0)
  await user.until(async () => (await clusters())[0] === all)
})

it('moves through slices: sliders, keys, a click, the wheel; a bar goes to its region', async () => {
  const position = async () => (await user.fact('position')).match(/-?\d+/g)!.map(Number) as [number, number, number]
  await user.slide('Axial slice', 12)
  assert.is((await position())[2], 12)
  await page.getByLabel('Coronal slice').first().focus()
  const [, before] = await position()
  await page.keyboard.press('ArrowRight')
  assert.ok((await position())[1] > before)
  const tile = (await page.locator('.tile[data-plane="axial"]').first().boundingBox())!
  await page.mouse.click(tile.x + tile.width / 2 + 30, tile.y + tile.height / 2 + 10)
  const clicked = await position()
  assert.ok(clicked[0] > 0, 'right of the middle is the right')
  await page.mouse.wheel(0, 100)
  assert.is.not((await position())[2], clicked[2])
  await page.locator('.bars button').nth(1).click()
  const region = await page.locator('.bars button').nth(1).locator('.name').textContent()
  assert.is(await user.fact('region'), region)
  await page.waitForFunction(() => [...document.querySelectorAll('.outline')].some((path) => path.getAttribute('d')))
  assert.match(await user.fact('cluster'), /voxels, .* mm³, mean .*, peak/)
  // Outlines lie where they would be if they were drawn anew, also when the page has another size.
  const places = async () => {
    await page.waitForTimeout(300)
    return page.locator('.outline').evaluateAll((paths) => paths.map((path) => path.getAttribute('transform')))
  }
  const whole = page.viewportSize()!
  const wide = await places()
  await page.setViewportSize({ width: 1100, height: 800 })
  const narrow = await places()
  assert.is.not(`${narrow}`, `${wide}`)
  await page.getByLabel('Region outline').uncheck()
  await page.getByLabel('Region outline').check()
  assert.equal(await places(), narrow)
  await page.setViewportSize(whole)
  assert.equal(await places(), wide)
  const times = await page
    .getByLabel('Axial slice')
    .first()
    .evaluate((input) => {
      const slider = input as HTMLInputElement
      return Array.from({ length: 15 }, (_, n) => {
        const began = performance.now()
        slider.value = String(n)
        slider.dispatchEvent(new Event('input'))
        return performance.now() - began
      })
    })
  console.log(`slider to repaint, median: ${times.sort((a, b) => a - b)[7]!.toFixed(1)} ms`)
})

it('takes a dropped scan, and asks for covariates where the network needs them', async () => {
  const before = await user.likelihood()
  await user.drop('mine.nii.gz', data('sub-124.nii.gz'))
  await user.chosen('Subject', 'mine.nii.gz')
  assert.is(await user.predicted(), before, 'the same scan has the same likelihood')
  await user.select('Network').selectOption('phantom-residual')
  await user.waitFor('.message.error', '')
  assert.match(await user.text('.message.error'), /do not go together.*age/s)
  for (const [name, value] of [
    ['age', 82],
    ['sex', 0],
    ['tiv', 1500],
  ] as const) {
    await page.locator(`[name="covariate-${name}"]`).fill(String(value))
    await page.locator(`[name="covariate-${name}"]`).press('Tab')
  }
  assert.match(await user.predicted(), /%/)
  await user.select('Network').selectOption('phantom')
  await user.predicted()
  await user.dismissAll()
})

it('explains what does not fit, and resamples where that is valid', async () => {
  const scan = readVolume(data('sub-124.nii.gz'))
  const coarse = { shape: [37, 44, 37] as const, affine: [5, 0, 0, -90, 0, 5, 0, -126, 0, 0, 5, -72, 0, 0, 0, 1] }
  await user.drop('coarse.nii', writeVolume(resample(scan, coarse, 'linear')))
  await user.waitFor('.message.error', '46 × 55 × 46')
  await page.getByRole('button', { name: /Resample/ }).click()
  assert.match(await user.predicted(), /%/)
  await user.dismissAll()
  await user.drop('letter.nii', new TextEncoder().encode('Dear Sir or Madam, '.repeat(40)))
  await user.waitFor('.message.error', 'not a NIfTI file')
  await user.dismissAll()
  await user.drop('huge.nii', new Uint8Array(16), 2 ** 31)
  await user.waitFor('.message.error', '2.1 GB')
  await user.dismissAll()
  await user.drop('packed.nii.gz', packedVolume(800))
  await user.waitFor('.message.error', 'packed.nii.gz')
  assert.match(await user.text('.message.error .detail'), /bytes/)
  await user.dismissAll()
  const elsewhere = { ...coarse, affine: coarse.affine.map((value, n) => (n === 3 ? 900 : value)) }
  await user.drop('elsewhere.nii', writeVolume({ ...elsewhere, data: new Float32Array(37 * 44 * 37).fill(1) }))
  await user.waitFor('.message.error', '46 × 55 × 46')
  assert.is(await page.getByRole('button', { name: /Resample/ }).count(), 0, 'there is nothing to resample')
  await user.dismissAll()
})

it('loads an own network, and says what it cannot read', async () => {
  await user.select('Subject').selectOption('sub-124')
  await user.predicted()
  const before = await user.likelihood()
  const picker = page.locator('[data-picks="network"]')
  const file = (name: string, buffer: Uint8Array) => ({
    name,
    mimeType: 'application/octet-stream',
    buffer: Buffer.from(buffer),
  })
  await picker.setInputFiles(file('mine.safetensors', data('phantom.safetensors')))
  await user.chosen('Network', 'mine.safetensors')
  assert.is(await user.predicted(), before)
  const onnx = exportOnnx(loadNetwork(data('phantom.safetensors')))
  const strange = Buffer.from(Buffer.from(onnx).toString('latin1').replaceAll('MaxPool', 'MaxFool'), 'latin1')
  await picker.setInputFiles(file('strange.onnx', strange))
  await user.waitFor('.message.error', 'MaxFool')
  await user.dismissAll()
  await picker.setInputFiles(file('mine.onnx', onnx))
  await user.chosen('Network', 'mine.onnx')
  await user.waitFor('.facts-line', '9,314 parameters')
  await user.dismissAll()
  await user.select('Network').selectOption('phantom')
  await user.predicted()
})

it('shows two maps side by side, and the brain in 3D', async () => {
  await page.getByLabel('Two maps side by side').check()
  await user.select('Second map').selectOption('sub-123-lrp')
  await page.waitForFunction(() => document.querySelectorAll('.pane:nth-child(2) .bars li').length > 0)
  await user.slide('Axial slice', -20)
  assert.is(await page.getByLabel('Axial slice').nth(1).inputValue(), '-20', 'crosshairs are linked')
  await page.getByLabel('Two maps side by side').uncheck()
  await page.getByLabel('3D').check()
  assert.ok(await page.locator('.render-tile').first().isVisible())
  await page.getByLabel('3D').uncheck()
  const sides = () => page.locator('.tile[data-plane="axial"] .side').first().textContent()
  assert.is(await sides(), 'L')
  await page.getByLabel('Radiological').check()
  assert.is(await sides(), 'R')
  await page.getByLabel('Radiological').uncheck()
})

it('exports picture, table and a report that refers to nothing', async () => {
  const picture = await user.exported('picture')
  assert.equal([...picture.subarray(1, 4)], [0x50, 0x4e, 0x47])
  const table = new TextDecoder().decode(await user.exported('table'))
  assert.match(table, /^name\tlabels\tvoxels/)
  const report = new TextDecoder().decode(await user.exported('report'))
  assert.match(report, /<h1>Relevance of sub-124/)
  assert.not.match(report, /(?:src|href)="(?!data:)/)
  await user.dismissAll()
})

it('speaks German, and is dark', async () => {
  await page.locator('#language').selectOption('de')
  assert.is(await user.text('.panel h2'), 'Aufnahme')
  const form = page.locator('[data-do="explain"]').locator('xpath=ancestor::form')
  assert.match((await form.textContent())!, /Verdeckung/)
  assert.match(await user.fact('clusters'), /Clustern/)
  assert.match(await user.likelihood(), /,/)
  await page.locator('#theme').selectOption('dark')
  const colour = await page.locator('.controls').evaluate((panel) => getComputedStyle(panel).backgroundColor)
  assert.is(colour, 'rgb(26, 29, 33)')
  await page.locator('#language').selectOption('en')
})

it('opens a lost GPU again', async () => {
  await page.evaluate(() => {
    const [engine] = (globalThis as unknown as { workers: Worker[] }).workers
    engine!.postMessage({ id: 1e6, call: 'loseDevice' })
  })
  await user.select('Subject').selectOption('sub-123')
  await user.waitFor('.message', 'The GPU was lost')
  assert.match(await user.predicted(), /%/)
  assert.equal(opened.errors, [])
})

it('without WebGPU says which browsers have it, and shows the maps that are there', async (own) => {
  await page.close()
  opened = await own.open({ withoutGpu: true, width: 390, height: 844 })
  page = opened.page
  user = viewerUser(page)
  await user.waitFor('.message', 'Firefox 141')
  assert.ok((await page.locator('.bars li').count()) > 3)
  assert.ok(await page.locator('[data-do="explain"]').isDisabled())
  const wide = await page.evaluate(() => document.documentElement.scrollWidth)
  assert.is(wide, 390, 'nothing is wider than a phone')
})

/** A file of a few MB that says it holds edge^3 voxels, 4 bytes each. */
function packedVolume(edge: number): Uint8Array {
  const small = { shape: [1, 1, 1] as const, affine: [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1] }
  const file = new Uint8Array(3_000_000)
  file.set(writeVolume({ ...small, data: new Float32Array(1) }))
  for (let axis = 1; axis <= 3; axis++) new DataView(file.buffer).setInt16(40 + 2 * axis, edge, true)
  return gzipSync(file, { level: 0 })
}

viewer.after(async () => {
  await site?.close()
  closePlatform()
})
viewer.run()
