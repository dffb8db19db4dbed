/** The house stands: imports go down, none go in circles, pages stay free of Node, every kernel says what it is. */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'

const root = fileURLToPath(new URL('..', import.meta.url))

/** What each floor may import besides itself. Files directly in src/ are the entries, which see everything. */
const BELOW: Record<string, readonly string[]> = {
  engine: [],
  io: [],
  model: ['engine', 'io'],
  phantom: ['io'],
  explain: ['model', 'engine', 'io'],
  cli: ['engine', 'io', 'model', 'phantom', 'explain'],
}

const sources = new Map(filesUnder('src', '.ts').map((file) => [file, importsOf(file)]))

function filesUnder(folder: string, ending: string): string[] {
  const names = readdirSync(join(root, folder), { recursive: true }).map((name) => join(folder, String(name)))
  return names.filter((name) => name.endsWith(ending)).sort()
}

/** Literal specifiers of imports and re-exports, types included; ours as paths from the root. */
function importsOf(file: string): string[] {
  const text = readFileSync(join(root, file), 'utf8').replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '')
  const pattern =
    /(?:^|[;}])\s*(?:import|export)\b[^'"`;]*?\bfrom\s*['"]([^'"]+)['"]|\bimport\s*\(?\s*['"]([^'"]+)['"]/gm
  const specifiers = [...text.matchAll(pattern)].map((match) => (match[1] ?? match[2])!)
  return specifiers.map((name) => (name.startsWith('.') ? normalize(join(dirname(file), name)) : name))
}

function floorOf(file: string): string | undefined {
  return /^src[\\/]([^\\/]+)[\\/]/.exec(file)?.[1]
}

/** A circle of imports as a list of files, the first repeated at the end; undefined when there is none. */
function findCircle(graph: ReadonlyMap<string, readonly string[]>): string[] | undefined {
  const done = new Set<string>()
  const visit = (file: string, path: readonly string[]): string[] | undefined => {
    if (path.includes(file)) return [...path.slice(path.indexOf(file)), file]
    if (done.has(file)) return undefined
    for (const next of graph.get(file) ?? []) {
      const circle = visit(next, [...path, file])
      if (circle) return circle
    }
    done.add(file)
    return undefined
  }
  for (const file of graph.keys()) {
    const circle = visit(file, [])
    if (circle) return circle
  }
  return undefined
}

const floors = suite('floors')

floors('the check itself sees imports and circles', () => {
  assert.ok(sources.size > 5)
  assert.ok(sources.get(join('src', 'node.ts'))?.includes(join('src', 'engine', 'platform.node.ts')))
  assert.equal(
    findCircle(
      new Map([
        ['a', ['b']],
        ['b', ['c']],
        ['c', ['b']],
      ]),
    ),
    ['b', 'c', 'b'],
  )
})

floors('an import never goes up', () => {
  const wrong = [...sources].flatMap(([file, imports]) => {
    const floor = floorOf(file)
    if (!floor) return []
    const allowed = BELOW[floor]
    if (!allowed) return [`${file}: no floor is called ${floor}`]
    const ours = imports.filter((name) => name.startsWith(`src`))
    return ours
      .filter((name) => floorOf(name) !== floor && !allowed.includes(floorOf(name) ?? 'the entries'))
      .map((name) => `${file} imports ${name}`)
  })
  assert.equal(wrong, [])
})

floors('no imports in circles', () => {
  assert.is(findCircle(sources)?.join(' -> '), undefined)
})

floors('only *.node.ts and the command line know Node', () => {
  const free = [...sources].filter(
    ([file]) => !file.endsWith('.node.ts') && floorOf(file) !== 'cli' && file !== join('src', 'node.ts'),
  )
  const wrong = free.flatMap(([file, imports]) =>
    imports
      .filter((name) => name.startsWith('node:') || name.endsWith('.node.ts') || name === 'webgpu')
      .map((name) => `${file} imports ${name}`),
  )
  assert.equal(wrong, [])
})

floors('every kernel opens with a comment that says what it computes', () => {
  const silent = filesUnder('shaders', '.wgsl').filter(
    (file) => !/^\/\/ ?\S/.test(readFileSync(join(root, file), 'utf8')),
  )
  assert.equal(silent, [])
})

floors('package-lock.json is whole, so that npm ci works everywhere', () => {
  type Package = { dependencies?: Record<string, string>; optionalDependencies?: Record<string, string> }
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, Package>
  }
  const missing = Object.entries(lock.packages).flatMap(([path, { dependencies, optionalDependencies }]) =>
    Object.keys({ ...dependencies, ...optionalDependencies })
      .filter((name) => !lock.packages[`${path}/node_modules/${name}`] && !lock.packages[`node_modules/${name}`])
      .map((name) => `${path} needs ${name}`),
  )
  assert.equal(missing, [])
})

floors.run()
