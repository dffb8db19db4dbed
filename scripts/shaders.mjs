// Gathers shaders/**/*.wgsl into src/engine/shaders.gen.ts, so that Node, bundlers and tests see the same text.
import { existsSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const folder = join(root, 'shaders')
const target = join(root, 'src', 'engine', 'shaders.gen.ts')

const names = readdirSync(folder, { recursive: true })
  .map((name) => String(name).replaceAll('\\', '/'))
  .filter((name) => name.endsWith('.wgsl'))
  .sort()
const entries = names.map((name) => {
  const text = readFileSync(join(folder, name), 'utf8').replaceAll('\r\n', '\n')
  return `  ${JSON.stringify(name.slice(0, -'.wgsl'.length))}: ${JSON.stringify(text)},\n`
})
const source = `// Made by scripts/shaders.mjs from shaders/**/*.wgsl. Do not edit.
/** WGSL text by path under shaders/, without the extension: shaders['conv/conv3d']. */
export const shaders: Record<string, string> = {
${entries.join('')}}
`

// Two scripts may run at once, so the file appears whole or not at all.
if (!existsSync(target) || readFileSync(target, 'utf8') !== source) {
  writeFileSync(`${target}.${process.pid}`, source)
  renameSync(`${target}.${process.pid}`, target)
}
