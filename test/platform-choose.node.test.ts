/** --gpu: one of several adapters by its number. Two drivers stand for two GPUs, one of them under another name. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { NoAdapterError } from '../src/engine/adapter.ts'
import { nameOfAdapter } from '../src/engine/choose.node.ts'
import { listAdapters, nodePlatform } from '../src/engine/platform.node.ts'
import { softwareGpu } from '../src/engine/software.node.ts'
import { voxplain } from './support/cli.ts'
import { skip } from './support/data.ts'

const test = suite('choice of a GPU')
const NAMES = ['VK_DRIVER_FILES', 'VK_ICD_FILENAMES', 'VOXPLAIN_ADAPTER', 'VOXPLAIN_GPU', 'VOXPLAIN_SOFTWARE_ANNOUNCED']
const before = NAMES.map((name) => process.env[name])
const folder = mkdtempSync(join(tmpdir(), 'voxplain-gpus-'))

/** Manifests of the two drivers; written once, as they stay loaded. */
let drivers: string | undefined

test.before(() => {
  drivers = makeGpus('aone', 'atwo')
})
test.before.each(() => {
  for (const name of NAMES) delete process.env[name]
  process.env.VOXPLAIN_SOFTWARE_ANNOUNCED = '1'
  if (drivers) process.env.VK_DRIVER_FILES = drivers
})
test.after(() => {
  NAMES.forEach((name, k) => {
    if (before[k] === undefined) delete process.env[name]
    else process.env[name] = before[k]
  })
  rmSync(folder, { recursive: true })
  nodePlatform.close()
})

/** Copies of the software GPU, by the word that takes the place of the last four letters of SwiftShader. */
function makeGpus(...words: string[]): string | undefined {
  const gpu = softwareGpu()
  if (!gpu) return undefined
  const library = readFileSync(join(dirname(gpu.driver), 'libvk_swiftshader.so'))
  const manifests = words.map((word) => {
    const copy = Buffer.from(library)
    const at = copy.indexOf('SwiftShader Device')
    copy.write(word, at + 'SwiftSha'.length - 1)
    const path = join(folder, `lib${word}.so`)
    writeFileSync(path, copy)
    const manifest = { file_format_version: '1.0.0', ICD: { library_path: path, api_version: '1.0.5' } }
    const driver = join(folder, `${word}.json`)
    writeFileSync(driver, JSON.stringify(manifest))
    return driver
  })
  return manifests.join(':')
}

test('by number, in the order of the list; a number that there is not is refused with the list', async () => {
  if (!drivers) return skip('no software GPU')
  const names = await listAdapters()
  assert.equal([...names].sort(), ['SwiftShaone Device (Subzero)', 'SwiftShatwo Device (Subzero)'])
  for (const [n, name] of names.entries()) {
    process.env.VOXPLAIN_GPU = String(n)
    const adapter = await nodePlatform.requestAdapter()
    assert.ok(name.toLowerCase().startsWith(adapter.info.device.split('-')[0]!), `${adapter.info.device}, not ${name}`)
  }
  process.env.VOXPLAIN_GPU = '2'
  const refusal = await nodePlatform.requestAdapter().then(
    () => undefined,
    (error: Error) => error,
  )
  assert.ok(refusal instanceof NoAdapterError)
  assert.is(
    refusal.message,
    `There is no GPU number 2 (--gpu or VOXPLAIN_GPU). Those that there are: 0: ${names[0]}, 1: ${names[1]}.`,
  )
})

test('--gpu is the variable for one command', async () => {
  if (!drivers) return skip('no software GPU')
  process.env.VOXPLAIN_GPU = '7'
  const run = await voxplain('doctor', '--gpu', '1')
  assert.is(run.code, 0, run.err)
  assert.match(run.out, /--gpu +0: SwiftSha\w+ Device \(Subzero\), 1: SwiftSha/)
  assert.is(process.env.VOXPLAIN_GPU, '7')
  const refused = await voxplain('doctor')
  assert.is(refused.code, 1)
  assert.match(refused.err, /^voxplain: There is no GPU number 7 .*1: SwiftSha\w+ Device/)
})

test('GPUs that Dawn cannot tell apart are never computed on by mistake', () => {
  const names = ['A100 80GB', 'A100', 'A100']
  assert.is(nameOfAdapter(names, '0'), 'A100 80GB')
  for (const asked of ['1', '2']) {
    assert.throws(() => nameOfAdapter(names, asked), new RegExp(`GPU ${asked} cannot be told from GPU 0 .*2: A100`))
  }
  assert.is(nameOfAdapter(['A100', 'A100 80GB'], '1'), 'A100 80GB')
  for (const asked of ['-1', '1.5', 'first', ' ']) {
    assert.throws(() => nameOfAdapter(names, asked), /There is no GPU number/)
  }
  assert.throws(() => nameOfAdapter([], '0'), /Those that there are: none/)
})

test.run()
