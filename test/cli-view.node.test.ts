/** voxplain view as a user has it: the command started in a process of its own, its page in headless Chromium. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, readFile } from 'node:fs/promises'
import { request } from 'node:http'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { decode } from 'fast-png'
import type { Browser, Page } from 'playwright-core'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { makeReporter } from '../src/cli/terminal.ts'
import { openBrowser } from '../src/cli/view-browser.ts'
import { viewData } from '../src/cli/view-data.ts'
import { readVolume } from '../src/io/nifti.ts'
import { sameGrid } from '../src/io/resample.ts'
import type { Volume } from '../src/io/volume.ts'
import { initialise } from '../src/model/architectures.ts'
import { validateDescription } from '../src/model/description.ts'
import { loadNetwork, saveNetwork } from '../src/model/formats/format.ts'
import { plainRecipe } from '../src/model/recipe/recipe.ts'
import { readManifest } from '../viewer/shared/manifest.ts'
import { launchChromium } from './browser/chromium.ts'
import { assertRefused, makePlace, type Place, SIZE, tinyScan, voxplain } from './support/cli.ts'
import { withResiduals } from './support/residual.ts'

const bin = fileURLToPath(new URL('../bin/voxplain.mjs', import.meta.url))
const COVARIATES = 'age=71,sex=F'
const test = suite('voxplain view')
let place: Place
let scan: string
let network: string
let command: ChildProcess
let url: URL
let words = ''

test.before(async () => {
  place = await makePlace()
  scan = await place.scan('someone.nii.gz', tinyScan())
  network = await place.file('line.safetensors', saveNetwork(await withResiduals(line(), tinyScan)))
  await place.scan('map.nii', ball(1))
  await place.scan('atlas.nii.gz', { ...ball(1), data: ball(1).data.map((value) => (value > 0 ? 7 : 3)) })
  await place.file('atlas.xml', new TextEncoder().encode(XML))
  // Stands for the system's opener: keeps what it was asked to open.
  const opener = await place.file(
    'bin/xdg-open',
    new TextEncoder().encode(`#!/bin/sh\necho "$1" > "${place.folder}/opened"\n`),
  )
  await chmod(opener, 0o755)
  const files = [
    '--network',
    network,
    '--map',
    at('map.nii'),
    '--atlas',
    at('atlas.nii.gz'),
    '--covariates',
    COVARIATES,
  ]
  const env = { ...process.env, PATH: `${at('bin')}${delimiter}${process.env.PATH}`, DISPLAY: ':99' }
  command = spawn(process.execPath, [bin, 'view', scan, ...files], { env })
  command.stderr!.on('data', (text) => (words += text))
  const [printed] = await Promise.race([once(command.stdout!, 'data'), once(command, 'exit').then(() => [words])])
  assert.match(String(printed), /^http:\/\/127\.0\.0\.1:\d+\/[\w-]{32}\/\n$/)
  url = new URL(String(printed).trim())
})

test.after(async () => {
  command?.kill('SIGKILL')
  await place.clear()
})

const at = (name: string) => join(place.folder, name)
const XML = '<atlas><data><label index="3">around</label><label index="7">Ball_L</label></data></atlas>'

/** One dense layer: nothing that takes long to compile. */
function line() {
  const layers = [
    { name: 'flat', type: 'flatten' },
    { name: 'out', type: 'dense', units: 2 },
  ]
  const recipe = { ...plainRecipe(2), classes: ['CN', 'AD'] }
  const head = { format: 'voxplain-network', version: 1, name: 'line', output: 'logits' }
  return initialise(validateDescription({ ...head, input: [1, ...SIZE], layers, recipe }), 5)
}

/** Relevance within a ball, on the grid of tinyScan. */
function ball(height: number): Volume {
  const { shape, affine, data } = tinyScan()
  const [nx, ny] = shape
  const inside = (n: number) =>
    Math.hypot((n % nx) - 6, (Math.floor(n / nx) % ny) - 7, Math.floor(n / (nx * ny)) - 6) < 4
  return { shape, affine, data: data.map((_, n) => (inside(n) ? height : 0)) }
}

/** A request with its path as it is: fetch would resolve dots. @returns status, headers, text */
async function ask(path: string, options: { host?: string; method?: string } = {}) {
  const { host = url.host, method = 'GET' } = options
  const asking = request({ host: '127.0.0.1', port: url.port, path, method, headers: { host } }).end()
  const [response] = await once(asking, 'response')
  const chunks: Buffer[] = []
  for await (const chunk of response) chunks.push(chunk)
  return { status: response.statusCode as number, headers: response.headers, text: Buffer.concat(chunks).toString() }
}

test('the page shows the likelihood, the map, and names of regions by itself', async () => {
  const browser: Browser | undefined = await launchChromium()
  if (!browser) return console.log(`skipped: no Chromium comes through npm for ${process.platform}-${process.arch}`)
  try {
    const page = await browser.newPage({ viewport: { width: 1200, height: 800 }, locale: 'en' })
    page.setDefaultTimeout(120_000)
    const asked: string[] = []
    const errors: string[] = []
    page.on('request', (one) => asked.push(one.url()))
    page.on('pageerror', (error) => errors.push(error.message))
    page.on('console', (message) => message.type() === 'error' && errors.push(message.text()))
    await page.goto(url.href)
    const amount = page.locator('.class[data-class="AD"] .amount', { hasText: '%' })
    await amount.waitFor()
    const predicted = await voxplain('predict', network, scan, '--covariates', COVARIATES, '--json')
    const [, probability] = JSON.parse(predicted.out).scans[0].probabilities
    assert.is(await amount.textContent(), `${(100 * probability).toFixed(1)} %`)
    assert.is(await page.locator('.field:has(label:text-is("Map")) option:checked').textContent(), 'map')
    assert.is(await page.locator('[data-fact="region"]').textContent(), 'Ball L')
    assert.is(await page.locator('[data-fact="value"]').textContent(), '1')
    assert.is(await page.locator('[name="covariate-age"]').inputValue(), '71')
    assert.is(await page.locator('[name="covariate-sex"]').inputValue(), '1')
    const shown = await picture(page)
    await page.getByLabel('Hide').check()
    const hidden = await picture(page)
    const changed = shown.filter((value, n) => Math.abs(value - hidden[n]!) > 40).length / shown.length
    assert.ok(changed > 0.01, `hiding the overlay changes ${(100 * changed).toFixed(2)} % of the picture`)
    assert.equal(errors, [])
    assert.equal(
      asked.filter((one) => !one.startsWith(url.href) && !one.startsWith('blob:')),
      [],
      'asks nobody but its own server',
    )
  } finally {
    await browser.close()
  }
})

async function picture(page: Page): Promise<Uint8Array> {
  return Uint8Array.from(decode(await page.locator('.panes canvas').first().screenshot()).data)
}

test('without the token there is nothing', async () => {
  const token = url.pathname.split('/')[1]!
  const wrong = `${token.slice(0, -1)}${token.endsWith('A') ? 'B' : 'A'}`
  for (const path of [
    '/',
    '/index.html',
    '/data/scan.nii.gz',
    '//',
    '/favicon.ico',
    `/${wrong}/`,
    `/x/${token}/`,
    `/?${token}`,
  ]) {
    const { status, text } = await ask(path)
    assert.is(status, 403, path)
    assert.match(text, /token/)
  }
  assert.is((await ask(`/${token}`)).headers.location, `/${token}/`)
})

test('only what was named can be asked for', async () => {
  const base = url.pathname
  for (const path of [
    '../../../../etc/passwd',
    '..%2f..%2fetc%2fpasswd',
    '%2e%2e/bin/voxplain.mjs',
    'data/',
    'data/../../index.html',
    'data/someone.nii.gz',
    '/etc/passwd',
    '..\\index.html',
  ]) {
    assert.is((await ask(base + path)).status, 404, path)
  }
  const { text } = await ask(`${base}data/manifest.json`)
  const manifest = readManifest(JSON.parse(text))
  assert.equal(manifest.subjects[0]!.covariates, { age: 71, sex: 1 })
  for (const file of [
    manifest.subjects[0]!.scan,
    manifest.networks[0]!.file,
    manifest.maps[0]!.file,
    manifest.atlas!.names,
  ])
    assert.is((await ask(`${base}data/${file}`)).status, 200, file)
  assert.is((await ask(base, { method: 'POST' })).status, 405)
  assert.is((await ask(base, { method: 'HEAD' })).text, '')
})

test("other names for this computer are refused (DNS rebinding), and a tunnel's port is not", async () => {
  for (const host of [
    'evil.example',
    `evil.example:${url.port}`,
    '127.0.0.1.evil.example',
    'localhost.evil.example:80',
  ]) {
    assert.is((await ask(url.pathname, { host })).status, 403, host)
  }
  for (const host of [`localhost:${url.port}`, '127.0.0.1:8080']) {
    assert.is((await ask(url.pathname, { host })).status, 200, host)
  }
})

test('every answer carries the policy of the page, stricter by frames', async () => {
  for (const path of [url.pathname, `${url.pathname}engine.js`, '/']) {
    const { headers } = await ask(path)
    const policy = String(headers['content-security-policy'])
    for (const part of ["default-src 'none'", "connect-src 'self'", "frame-ancestors 'none'"])
      assert.ok(policy.includes(part), path)
    assert.is.not(policy.includes('unsafe'), true)
    assert.is(headers['referrer-policy'], 'no-referrer')
    assert.is(headers['access-control-allow-origin'], undefined)
  }
})

test('the browser is started with a URL that works once', async () => {
  if (process.platform !== 'linux') return console.log('skipped: other systems have other openers')
  const opened = new URL((await readFile(at('opened'), 'utf8')).trim())
  assert.is(opened.host, url.host)
  assert.is.not(opened.pathname, url.pathname)
  const first = await ask(opened.pathname)
  assert.equal([first.status, first.headers.location], [303, url.pathname])
  assert.is((await ask(opened.pathname)).status, 403)
})

test('no browser to start is no fault', async () => {
  const { PATH, DISPLAY } = process.env
  Object.assign(process.env, { PATH: at('nothing'), DISPLAY: ':99' })
  openBrowser('http://127.0.0.1:9/')
  await new Promise((resolve) => setTimeout(resolve, 100))
  process.env.PATH = PATH
  if (DISPLAY === undefined) delete process.env.DISPLAY
  else process.env.DISPLAY = DISPLAY
})

test('Ctrl+C ends it with exit code 0', async () => {
  command.kill('SIGINT')
  const [code] = await once(command, 'exit')
  assert.is(code, 0)
  assert.is(words, 'voxplain: open this URL in a browser on this computer; end with Ctrl+C\n')
})

test('what cannot be shown is refused before a page opens', async () => {
  const text = await place.file('text.nii', new TextEncoder().encode('no volume'))
  const far = await place.scan('far.nii', { ...ball(1), affine: [2, 0, 0, 500, 0, 2, 0, 0, 0, 0, 2, 0, 0, 0, 0, 1] })
  assertRefused(await voxplain('view', text, '--network', network), 2, 'text.nii is not a NIfTI file')
  assertRefused(await voxplain('view', scan, '--network', at('none.onnx')), 2, 'none.onnx does not exist')
  assertRefused(await voxplain('view', scan, '--network', network), 2, '--covariates age=...,sex=...')
  const apart = await voxplain('view', scan, '--network', place.network, '--map', far)
  assert.is(apart.code, 2)
  assert.match(apart.err, /far\.nii does not overlap the scan/)
  assertRefused(await voxplain('view', scan), 2, '--network')
})

test('a recipe is part of the network that the page gets, and a map on another grid is brought to that of the scan', async () => {
  const own = { ...plainRecipe(2), name: 'mine', classes: ['no', 'yes'] }
  const recipe = await place.file('recipe.json', new TextEncoder().encode(JSON.stringify(own)))
  const gaps = ball(-1)
  gaps.data[0] = Number.NaN
  const affine = gaps.affine.map((value, n) => (n === 3 ? value + 2 : value)) as unknown as Volume['affine']
  const map = [await place.scan('moved.nii', { ...gaps, affine })]
  let told = ''
  const terminal = { out() {}, err: (text: string) => void (told += text), interactive: false, columns: 80 }
  const options = { network: place.network, recipe, map, open: false }
  const files = await viewData(scan, options, makeReporter(terminal, false))
  assert.equal(loadNetwork(files.get('data/network.safetensors')!).description.recipe.classes, ['no', 'yes'])
  const shown = readVolume(files.get('data/map-0.nii')!)
  assert.ok(sameGrid(shown, tinyScan()))
  const { data } = ball(-1)
  assert.equal(shown.data.subarray(1, 12), data.subarray(0, 11), 'by one voxel along x')
  assert.is(readManifest(JSON.parse(new TextDecoder().decode(files.get('data/manifest.json')))).maps[0]!.signed, true)
  assert.match(told, /1 NaN or infinite voxels are shown as zero/)
  assert.match(told, /another grid than the scan/)
})

test.run()
