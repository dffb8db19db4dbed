// Gathers shaders/**/*.wgsl into src/engine/shaders.gen.ts, so that Node, bundlers and tests see the same text.
// Comments and indentation stay behind: a page need not load them. Folders that explaining a scan never needs go into
// files of their own, which the operations that use them bring along.
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const folder = join(root, 'shaders')
const operations = join(root, 'src', 'engine', 'ops')
const engine = join(root, 'src', 'engine')
/** Folders, or beginnings of names, apart, by the file they are gathered in. */
const apart = {
  augment: ['augment/'],
  bench: ['bench/'],
  explain: ['explain/'],
  judge: ['judge/'],
  lrp: ['lrp/'],
  optim: ['optim/'],
  perturb: ['perturb/'],
  train: ['conv/weight', 'dropout/', 'norm/running', 'softmax/cross_entropy'],
}

const shaders = read(folder, '.wgsl')
// How fast a kernel is depends on its text, and on the tiles and grids with which operations launch it.
const kernels = [...shaders.map(([name, text]) => [name, lean(text)]), ...read(operations, '.ts')]
const version = createHash('sha256').update(JSON.stringify(kernels)).digest('hex').slice(0, 16)
const isIn =
  (places) =>
  ([name]) =>
    places.some((place) => name.startsWith(place))
const isApart = isIn(Object.values(apart).flat())

gather(
  'shaders.gen.ts',
  `/** Changes whenever a kernel does: measurements of older kernels say nothing. */
export const kernelsVersion = '${version}'

/** WGSL text by path under shaders/, without the extension: shaders['conv/rows']. */
export const shaders: Record<string, string> = {
${entries(shaders.filter((shader) => !isApart(shader)))}}
`,
)
for (const [file, folders] of Object.entries(apart)) {
  gather(
    `shaders-${file}.gen.ts`,
    `import { shaders } from './shaders.gen.ts'

Object.assign(shaders, {
${entries(shaders.filter(isIn(folders)))}})
`,
  )
}

function entries(list) {
  return list
    .map(([name, text]) => `  ${JSON.stringify(name.slice(0, -'.wgsl'.length))}: ${JSON.stringify(lean(text))},\n`)
    .join('')
}

/** A statement without spaces around most operators; not around signs, two of which would become another operator. */
function tight(line) {
  if (!/^ .*[;{}]$/.test(line) || line.includes('//@')) return line
  return ` ${line.trim().replace(/ ?([=*/%<>&|,;:(){}[\]?]+) ?/g, '$1')}`
}

/** Two scripts may run at once, so the file appears whole or not at all. */
function gather(name, text) {
  const target = join(engine, name)
  const source = `// Made by scripts/shaders.mjs from shaders/**/*.wgsl. Do not edit.\n${text}`
  if (existsSync(target) && readFileSync(target, 'utf8') === source) return
  writeFileSync(`${target}.${process.pid}`, source)
  renameSync(`${target}.${process.pid}`, target)
}

/** Files of a kind under a folder: name with forward slashes, and text. */
function read(from, ending) {
  const names = readdirSync(from, { recursive: true }).map((name) => String(name).replaceAll('\\', '/'))
  const wanted = names.filter((name) => name.endsWith(ending)).sort()
  return wanted.map((name) => [name, readFileSync(join(from, name), 'utf8').replaceAll('\r\n', '\n')])
}

/**
 * Without comments, blank lines, spaces around operators, and all but one space of indentation. Directives (`//@`) stay; so does the space, because
 * what is declared for the whole module is told by its place at the start of a line (src/engine/source.ts).
 */
function lean(text) {
  const lines = text.split('\n').map((line) => tight(line.replace(/\s*\/\/(?!@).*$/, '').replace(/^\s+/, ' ')))
  return lines
    .filter((line) => line.trim() !== '')
    .join('\n')
    .concat('\n')
}
