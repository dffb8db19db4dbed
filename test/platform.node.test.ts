/** Which Vulkan driver Node computes with when the environment names one. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { isSoftwareAdapter } from '../src/engine/adapter.ts'
import { nodePlatform } from '../src/engine/platform.node.ts'
import { softwareGpu } from '../src/engine/software.node.ts'
import { skip } from './support/data.ts'

const test = suite('platform')
const NAMES = ['VK_DRIVER_FILES', 'VK_ICD_FILENAMES', 'VOXPLAIN_ADAPTER', 'VOXPLAIN_SOFTWARE_ANNOUNCED'] as const
const before = NAMES.map((name) => process.env[name])
const folder = mkdtempSync(join(tmpdir(), 'voxplain-driver-'))

test.before.each(() => {
  for (const name of NAMES) delete process.env[name]
})
test.after(() => {
  NAMES.forEach((name, k) => {
    if (before[k] === undefined) delete process.env[name]
    else process.env[name] = before[k]
  })
  rmSync(folder, { recursive: true })
  nodePlatform.close()
})

/** Opens an adapter and returns what was said about it. */
async function announced(): Promise<{ adapter: GPUAdapter; text: string }> {
  const said: string[] = []
  const { write } = process.stderr
  process.stderr.write = ((text: string) => said.push(text) > 0) as typeof write
  try {
    return { adapter: await nodePlatform.requestAdapter(), text: said.join('') }
  } finally {
    process.stderr.write = write
  }
}

test('a driver the user names is used and stays named, whatever the wish', async () => {
  const software = softwareGpu()
  if (!software) return skip('there is no software adapter for this machine')
  const manifest = JSON.parse(readFileSync(software.driver, 'utf8')) as { ICD: { library_path: string } }
  manifest.ICD.library_path = resolve(dirname(software.driver), manifest.ICD.library_path)
  const named = join(folder, 'driver.json')
  writeFileSync(named, JSON.stringify(manifest))
  for (const [variable, wish] of [
    ['VK_DRIVER_FILES', 'software'],
    ['VK_DRIVER_FILES', 'auto'],
    ['VK_ICD_FILENAMES', 'software'],
  ] as const) {
    for (const name of NAMES) delete process.env[name]
    process.env[variable] = named
    process.env.VOXPLAIN_ADAPTER = wish
    assert.ok(isSoftwareAdapter((await announced()).adapter))
    assert.is(process.env[variable], named)
  }
})

test('a named driver that gives no adapter is spoken of when the software adapter takes its place', async () => {
  if (!softwareGpu()) return skip('there is no software adapter for this machine')
  const missing = join(folder, 'missing.json')
  process.env.VK_DRIVER_FILES = missing
  const { adapter, text } = await announced()
  assert.ok(isSoftwareAdapter(adapter))
  assert.match(text, `no hardware GPU found with the driver ${missing}; using the software adapter`)
})

test.run()
