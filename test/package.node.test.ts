/** The published package: packed, installed in an empty folder, run there, and bundled for a page. */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { writeVolume } from '../src/io/nifti.ts'
import { skip } from './support/data.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'voxplain-package-'))
const hasCommandLine = existsSync(join(root, 'src', 'cli', 'main.ts'))
const AFFINE = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]
const OFFLINE = /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENOTCACHED/
let unreachable = false

interface Result {
  status: number | null
  stdout: string
  text: string
}

function run(program: string, args: string[], cwd: string): Result {
  // What npm tells its scripts about this checkout must not reach the npm of the new folder.
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name)))
  const { status, stdout, stderr } = spawnSync(program, args, { cwd, env, encoding: 'utf8' })
  return { status, stdout, text: `${stdout}${stderr}` }
}

function expectSuccess(result: Result): Result {
  if (result.status !== 0) throw new Error(`exit code ${result.status}:\n${result.text}`)
  return result
}

const packed = suite('package')

packed.after(() => rmSync(folder, { recursive: true, force: true }))

packed('npm pack makes a tarball with what is needed and nothing of the tests', () => {
  expectSuccess(run('npm', ['pack', '--pack-destination', folder], root))
  const tarball = readdirSync(folder).find((name) => name.endsWith('.tgz'))
  assert.ok(tarball)
  const files = expectSuccess(run('tar', ['tzf', tarball], folder)).stdout.split('\n')
  for (const name of [
    'bin/voxplain.mjs',
    'dist/node.js',
    'dist/node.d.ts',
    'dist/browser.js',
    'dist/explain-entry.js',
    'dist/viewer/index.html',
    'dist/viewer/licences.txt',
    'dist/io/montage-thread.node.js',
    'workflow/Snakefile',
    'workflow/profiles/slurm/status.sh',
    'LICENSE',
  ])
    assert.ok(files.includes(`package/${name}`), `${name} is missing`)
  assert.equal(
    files.filter((name) => /\/(test|src|node_modules)\//.test(name.replace(/^package/, ''))),
    [],
  )
})

packed('it installs in an empty folder', () => {
  const tarball = readdirSync(folder).find((name) => name.endsWith('.tgz'))!
  writeFileSync(join(folder, 'package.json'), '{ "private": true, "type": "module" }\n')
  const installed = run('npm', ['install', `./${tarball}`, '--prefer-offline', '--no-audit', '--no-fund'], folder)
  unreachable = installed.status !== 0 && OFFLINE.test(installed.text)
  if (unreachable) return skip('the npm registry cannot be reached')
  expectSuccess(installed)
})

packed('its Node entry opens the GPU', () => {
  if (unreachable) return skip('the npm registry cannot be reached')
  const script = `
    import { adapterName, closePlatform, requestGpuAdapter } from 'voxplain'
    console.log('adapter', adapterName(await requestGpuAdapter()))
    closePlatform()`
  writeFileSync(join(folder, 'open.mjs'), script)
  assert.match(expectSuccess(run(process.execPath, ['open.mjs'], folder)).stdout, /^adapter \S/m)
})

packed('its command line runs', () => {
  if (unreachable) return skip('the npm registry cannot be reached')
  if (!hasCommandLine) return skip('there is no command line yet')
  assert.match(expectSuccess(run('npx', ['--no-install', 'voxplain', '--help'], folder)).stdout, /voxplain/)
  expectSuccess(run('npx', ['--no-install', 'voxplain', 'doctor'], folder))
})

packed('its voxplain view has its page with it', async () => {
  if (unreachable) return skip('the npm registry cannot be reached')
  const scan = join(folder, 'scan.nii')
  writeFileSync(scan, writeVolume({ shape: [2, 2, 2], data: Float32Array.of(0, 1, 2, 3, 4, 5, 6, 7), affine: AFFINE }))
  const bin = join(folder, 'node_modules', 'voxplain', 'bin', 'voxplain.mjs')
  const network = join(root, 'viewer', 'data', 'phantom.safetensors')
  const command = spawn(process.execPath, [bin, 'view', scan, '--network', network, '--no-open'], { cwd: folder })
  try {
    const url = String((await once(command.stdout, 'data'))[0]).trim()
    for (const name of ['', 'main.js', 'engine.js', 'data/manifest.json']) assert.ok((await fetch(url + name)).ok, name)
    assert.is((await fetch(new URL('/', url))).status, 403)
  } finally {
    command.kill()
  }
  assert.equal(await once(command, 'exit'), [0, null])
})

packed('the examples of embedding are built with it as they are', async () => {
  if (unreachable) return skip('the npm registry cannot be reached')
  const examples = { 'niivue.js': 'niivue-explain/main.js', 'worker.js': 'worker/worker.js' }
  for (const [name, path] of Object.entries(examples)) copyFileSync(join(root, 'examples', path), join(folder, name))
  await build({
    absWorkingDir: folder,
    entryPoints: Object.keys(examples),
    outdir: 'built',
    bundle: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    external: ['@niivue/niivue'],
    logLevel: 'silent',
  })
})

/** Bundles a page that uses everything of an entry; esbuild refuses imports of Node modules. */
async function bundlePage(entry: string) {
  writeFileSync(join(folder, 'page.js'), `export * from '${entry}'\n`)
  const { outputFiles, metafile } = await build({
    absWorkingDir: folder,
    entryPoints: ['page.js'],
    bundle: true,
    minify: true,
    write: false,
    metafile: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    logLevel: 'silent',
  })
  const { contents, text } = outputFiles[0]!
  assert.not.match(text, /\b(from|import|require)\s*\(?\s*["']node:/)
  const inputs = Object.keys(metafile.inputs)
  assert.equal(
    inputs.filter((name) => name.endsWith('.node.js')),
    [],
  )
  return { inputs, gzip: gzipSync(contents, { level: 9 }).length }
}

packed('its browser entry bundles with nothing of Node in it', async () => {
  if (unreachable) return skip('the npm registry cannot be reached')
  const { inputs } = await bundlePage('voxplain')
  assert.ok(inputs.some((name) => name.endsWith('voxplain/dist/browser.js')))
})

packed('its explain entry is small: under 60 kB, and the formats it leaves out stay out', async () => {
  if (unreachable) return skip('the npm registry cannot be reached')
  const { inputs, gzip } = await bundlePage('voxplain/explain')
  assert.ok(inputs.some((name) => name.endsWith('voxplain/dist/explain/mask.js')))
  assert.equal(
    inputs.filter((name) => /jsfive|nifti|fast-png|fflate|wgsl_reflect|model\/(keras|train)/.test(name)),
    [],
  )
  assert.ok(gzip < 60_000, `${gzip} bytes`)
})

packed('its explain entry runs in Node too', () => {
  if (unreachable) return skip('the npm registry cannot be reached')
  const script = `
    import { closeGpu, makePredictor, openGpu } from 'voxplain/explain'
    const gpu = await openGpu()
    console.log('opened', typeof makePredictor, gpu.name)
    closeGpu(gpu)
    process.exit(0)`
  writeFileSync(join(folder, 'explain.mjs'), script)
  assert.match(expectSuccess(run(process.execPath, ['explain.mjs'], folder)).stdout, /^opened function \S/m)
})

packed.run()
