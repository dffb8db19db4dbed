/**
 * The examples of embedding, bundled as a web developer's own tools would: npm run examples serves them. In this checkout
 * `voxplain` is taken from the sources; elsewhere it is the installed package.
 */
import { copyFileSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { writeVolume } from '../src/io/nifti.ts'
import { cohort } from '../viewer/data/recipe.ts'
import { serveFolder } from './viewer-serve.mjs'
import './shaders.mjs'

export const EXAMPLES: readonly string[] = ['niivue-explain', 'worker']

/** A patient of the phantom cohort whom the network has not seen. */
const SUBJECT = 123

const root = fileURLToPath(new URL('..', import.meta.url))
export const EXAMPLES_DIST: string = join(root, 'examples', 'dist')

/** Builds every example into a folder of its own name, with a scan and a network beside it. */
export async function buildExamples(): Promise<void> {
  rmSync(EXAMPLES_DIST, { recursive: true, force: true })
  const scan = writeVolume(cohort().subject(SUBJECT).scan, { gzip: true })
  for (const name of EXAMPLES) {
    const [from, to] = [join(root, 'examples', name), join(EXAMPLES_DIST, name)]
    const files = readdirSync(from)
    const { outputFiles } = await build({
      // A worker is a file of its own, which a page starts by its URL.
      entryPoints: files.filter((file) => file.endsWith('.js')).map((file) => join(from, file)),
      outdir: to,
      write: false,
      bundle: true,
      minify: true,
      format: 'esm',
      platform: 'browser',
      target: 'es2022',
      alias: { voxplain: join(root, 'src', 'browser.ts') },
      // NiiVue's decoders of Zarr, which no example has.
      external: ['numcodecs/*'],
      logLevel: 'error',
    })
    mkdirSync(to, { recursive: true })
    for (const { path, contents } of outputFiles) writeFileSync(path, contents)
    for (const file of files.filter((one) => !one.endsWith('.js'))) copyFileSync(join(from, file), join(to, file))
    writeFileSync(join(to, 'scan.nii.gz'), scan)
    copyFileSync(join(root, 'viewer', 'data', 'phantom.safetensors'), join(to, 'network.safetensors'))
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await buildExamples()
  const { url } = await serveFolder(EXAMPLES_DIST)
  for (const name of EXAMPLES) process.stdout.write(`${url}${name}/\n`)
  process.stderr.write('end with Ctrl+C\n')
}
