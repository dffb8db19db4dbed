/**
 * Pictures of the viewer's main states at three widths, to be looked at: npm run viewer:screenshots [-- FOLDER].
 * On phones the whole page, and what is on the screen where something lies over the page.
 */
import { mkdirSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { readVolume, writeVolume } from '../src/io/nifti.ts'
import { resample } from '../src/io/resample.ts'
import { DIST, openViewerSite } from '../test/support/viewer.ts'
import { viewerUser } from '../test/support/viewer-user.ts'

const SIZES = [
  { width: 1440, height: 900 },
  { width: 1024, height: 768 },
  { width: 390, height: 844 },
] as const

/** The same phantom in coarser voxels: a scan that the networks do not take as it is. */
const COARSE = { shape: [37, 44, 37] as const, affine: [5, 0, 0, -90, 0, 5, 0, -126, 0, 0, 5, -72, 0, 0, 0, 1] }

const folder = resolve(process.argv[2] ?? join(tmpdir(), 'voxplain-viewer'))
mkdirSync(folder, { recursive: true })
const site = await openViewerSite()
if (!site) throw new Error(`no Chromium comes through npm for ${process.platform}-${process.arch}`)
const { page } = await site.open()
const user = viewerUser(page)
const data = (name: string) => new Uint8Array(readFileSync(join(DIST, 'data', name)))

/** @param over whether something lies over the page, so that a phone's first screen is wanted, too */
async function shoot(state: string, over = false, of = page): Promise<void> {
  for (const size of SIZES) {
    await of.setViewportSize(size)
    const phone = size.width < 820
    // The views are drawn anew once they know their size.
    await of.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))))
    await of.waitForTimeout(300)
    const path = (name: string) => join(folder, `${name}-${size.width}.png`)
    await of.screenshot({ path: path(state), fullPage: phone })
    if (phone && over) await of.screenshot({ path: path(`${state}-screen`) })
  }
  await of.setViewportSize(SIZES[0])
  process.stderr.write(`${state}\n`)
}

await user.predicted()
await shoot('start')

await user.explainWith('lrp')
await user.waitFor('.message', 'done in')
await user.dismissAll()
await user.slide('Threshold', 0.35)
await user.slide('Smallest cluster', 4)
await page.locator('.bars button').first().click()
await page.waitForTimeout(300)
await shoot('lrp')

await page.locator('#theme').selectOption('dark')
await shoot('lrp-dark')
await page.locator('#language').selectOption('de')
await shoot('lrp-dark-german')
await page.locator('#theme').selectOption('light')
await shoot('lrp-german')
await page.locator('#language').selectOption('en')

await page.getByLabel('Two maps side by side').check()
await user.select('Second map').selectOption('sub-123-lrp')
await page.waitForFunction(() => document.querySelectorAll('.pane:nth-child(2) .bars li').length > 0)
await shoot('compare')
await page.getByLabel('Two maps side by side').uncheck()

await page.getByLabel('3D').check()
await shoot('render')
await page.getByLabel('3D').uncheck()

await user.explainWith('mask', { iterations: '300', tolerance: '0', resolution: '4' })
await user.until(async () => ((await page.locator('.trace').getAttribute('points')) ?? '').split(' ').length > 6)
await page.locator('.progress').scrollIntoViewIfNeeded()
await shoot('mask', true)
// It may have come to its end meanwhile.
await page.evaluate(() => document.querySelector<HTMLButtonElement>('[data-do="cancel"]')!.click())
await user.until(async () => page.locator('[data-do="explain"]').isEnabled())
await user.dismissAll()

await user.select('Network').selectOption('phantom-residual')
await user.drop('patient-17.nii.gz', data('sub-124.nii.gz'))
await user.chosen('Subject', 'patient-17.nii.gz')
await user.waitFor('.message.error', 'age')
await shoot('own', true)
await user.dismissAll()

await user.select('Network').selectOption('phantom')
await user.predicted()
await user.drop('coarse.nii', writeVolume(resample(readVolume(data('sub-124.nii.gz')), COARSE, 'linear')))
await user.waitFor('.message.error', '46 × 55 × 46')
await shoot('error', true)
await page.locator('#language').selectOption('de')
await user.dismissAll()
await user.drop('brief.nii', new TextEncoder().encode('Sehr geehrte Damen und Herren, '.repeat(40)))
await user.waitFor('.message.error', 'NIfTI')
await shoot('error-german', true)

const without = await site.open({ withoutGpu: true })
await without.page.locator('.message').waitFor()
await shoot('without-webgpu', true, without.page)
await site.close()
process.stderr.write(`${folder}\n`)
process.exit()
