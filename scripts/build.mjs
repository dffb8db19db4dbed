// Builds dist/: JavaScript and declarations, one file a source. Then checks what a page would load: the browser entry
// must bundle with nothing of Node in it, and its size is printed.
import { spawnSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { brotliCompressSync, gzipSync } from 'node:zlib'
import { build } from 'esbuild'
import './shaders.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
rmSync(join(root, 'dist'), { recursive: true, force: true })

const tsc = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin', 'tsc')
const { status } = spawnSync(process.execPath, [tsc, '-p', 'tsconfig.build.json'], { cwd: root, stdio: 'inherit' })
if (status !== 0) process.exit(status ?? 1)

// With platform 'browser' esbuild refuses any import of a Node module.
const { outputFiles } = await build({
  entryPoints: [join(root, 'dist', 'browser.js')],
  bundle: true,
  minify: true,
  write: false,
  format: 'esm',
  platform: 'browser',
  target: 'es2022',
  logLevel: 'error',
}).catch(() => process.exit(1))
const bytes = outputFiles[0].contents
const kB = (length) => `${(length / 1000).toFixed(1)} kB`
const sizes = `${kB(bytes.length)} minified, ${kB(gzipSync(bytes, { level: 9 }).length)} gzip, ${kB(brotliCompressSync(bytes).length)} brotli`
process.stderr.write(`dist/ built; the browser entry bundles to ${sizes}\n`)
