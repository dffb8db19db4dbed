// Builds dist/: JavaScript and declarations, one file a source, and the viewer's page for `voxplain view`. Then checks what
// a page would load: the browser entries must bundle with nothing of Node in them; their sizes are printed, and the small
// one must be small.
import { spawnSync } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { brotliCompressSync, gzipSync } from 'node:zlib'
import { build } from 'esbuild'
import './shaders.mjs'
import { bundleViewer } from './viewer-build.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
rmSync(join(root, 'dist'), { recursive: true, force: true })

const tsc = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin', 'tsc')
const { status } = spawnSync(process.execPath, [tsc, '-p', 'tsconfig.build.json'], { cwd: root, stdio: 'inherit' })
if (status !== 0) process.exit(status ?? 1)

mkdirSync(join(root, 'dist', 'viewer'))
for (const [name, bytes] of await bundleViewer()) writeFileSync(join(root, 'dist', 'viewer', name), bytes)

const entries = [
  { name: 'the browser entry', file: 'browser.js' },
  { name: 'the explain entry', file: 'explain-entry.js', most: 60_000 },
]
for (const { name, file, most = Number.POSITIVE_INFINITY } of entries) {
  // With platform 'browser' esbuild refuses any import of a Node module.
  const { outputFiles } = await build({
    entryPoints: [join(root, 'dist', file)],
    bundle: true,
    minify: true,
    write: false,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    logLevel: 'error',
  }).catch(() => process.exit(1))
  const bytes = outputFiles[0].contents
  const gzip = gzipSync(bytes, { level: 9 }).length
  const sizes = `${kB(bytes.length)} minified, ${kB(gzip)} gzip, ${kB(brotliCompressSync(bytes).length)} brotli`
  process.stderr.write(`dist/${file}: ${name} bundles to ${sizes}\n`)
  if (gzip > most) {
    process.stderr.write(`${name} is ${kB(gzip - most)} over the ${kB(most)} (gzip) that a page should have to load\n`)
    process.exit(1)
  }
}

function kB(length) {
  return `${(length / 1000).toFixed(1)} kB`
}
