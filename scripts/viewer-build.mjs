// Builds viewer/dist: a folder that any web server can host. Relative URLs only. Prints what a visitor transfers, and
// fails when the page without its data is too heavy. --page: leaves the data of an earlier build as they are.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { brotliCompressSync, gzipSync } from 'node:zlib'
import { build } from 'esbuild'
import './shaders.mjs'

/** Bytes of the page without data, compressed. */
const MOST = 3_000_000

const home = fileURLToPath(new URL('..', import.meta.url))
const root = join(home, 'viewer')
const dist = join(root, 'dist')

/** NiiVue can read Zarr, whose decoders are 1.4 MB of WebAssembly; this page has no Zarr. */
const withoutCodecs = {
  name: 'without-codecs',
  setup(builder) {
    builder.onResolve({ filter: /^numcodecs\// }, ({ path }) => ({ path, namespace: 'codec' }))
    builder.onLoad({ filter: /.*/, namespace: 'codec' }, () => ({ contents: 'export default undefined' }))
  },
}

/** The page without data: its files by name. They lie in one folder. */
export async function bundleViewer() {
  const { outputFiles, metafile } = await build({
    absWorkingDir: home,
    entryPoints: {
      main: join(root, 'page/main.ts'),
      engine: join(root, 'worker/engine.ts'),
      analysis: join(root, 'worker/analysis.ts'),
    },
    outdir: dist,
    write: false,
    metafile: true,
    bundle: true,
    splitting: true,
    minify: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    legalComments: 'none',
    logLevel: 'error',
    plugins: [withoutCodecs],
  })
  const copied = ['index.html', 'style.css', 'icon.svg'].map((name) => [name, readFileSync(join(root, name))])
  const made = outputFiles.map(({ path, contents }) => [basename(path), contents])
  return new Map([...made, ...copied, ['licences.txt', Buffer.from(licences(Object.keys(metafile.inputs)))]])
}

/** What others ask for in return: the licences of all that is bundled. */
function licences(inputs) {
  const packages = inputs.map((name) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(name)?.[0])
  return [...new Set(packages)]
    .filter((name) => name !== undefined)
    .sort()
    .map((name) => {
      const folder = join(home, name)
      const { version, license, author } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
      const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry))
      const by = typeof author === 'string' ? author : author?.name
      const text = file ? readFileSync(join(folder, file), 'utf8') : `${license}${by ? `, ${by}` : ''}\n`
      return `${name.slice(name.lastIndexOf('node_modules/') + 13)} ${version}\n\n${text}`
    })
    .join(`\n${'-'.repeat(80)}\n\n`)
}

/** @param {{ data?: boolean, log?: (line: string) => void }} options data: also make the scans, networks and maps */
export async function buildViewer({ data = true, log = () => {} } = {}) {
  const files = await bundleViewer()
  mkdirSync(dist, { recursive: true })
  for (const name of readdirSync(dist)) if (name !== 'data') rmSync(join(dist, name), { recursive: true })
  for (const [name, bytes] of files) writeFileSync(join(dist, name), bytes)
  if (data || !existsSync(join(dist, 'data', 'manifest.json'))) {
    rmSync(join(dist, 'data'), { recursive: true, force: true })
    const { writeViewerData } = await import('./viewer-data.ts')
    await writeViewerData(join(dist, 'data'))
  }
  return weigh(log)
}

function weigh(log) {
  const names = readdirSync(dist, { recursive: true }).map(String)
  const files = names.filter((name) => statSync(join(dist, name)).isFile())
  const isData = (name) => /^data[\\/]/.test(name)
  let page = 0
  let plain = 0
  for (const name of files.filter((file) => !isData(file)).sort()) {
    const bytes = readFileSync(join(dist, name))
    const gzip = Math.min(bytes.length, gzipSync(bytes, { level: 9 }).length)
    page += gzip
    plain += bytes.length
    log(
      `  ${name.padEnd(26)} ${kB(bytes.length).padStart(10)}  ${kB(gzip).padStart(10)} gzip  ${kB(brotliCompressSync(bytes).length).padStart(10)} brotli`,
    )
  }
  const data = files.filter(isData).reduce((sum, name) => sum + statSync(join(dist, name)).size, 0)
  log(`viewer/dist: page ${kB(plain)}, ${kB(page)} gzip; data ${kB(data)}`)
  if (page > MOST) throw new Error(`the page weighs ${kB(page)} (gzip), more than ${kB(MOST)}`)
  return { page, data }
}

function kB(length) {
  return `${(length / 1000).toFixed(1)} kB`
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await buildViewer({ data: !process.argv.includes('--page'), log: (line) => process.stderr.write(`${line}\n`) })
  process.exit()
}
