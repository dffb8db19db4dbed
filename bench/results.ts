/** Results on disk: one JSON file an adapter, with a section for each bench. */
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { availableParallelism } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Gpu } from '../src/engine/gpu.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const packages = ['webgpu', 'tinybench', '@tensorflow/tfjs-core', '@tensorflow/tfjs-backend-webgpu']

/** Where results go unless the command line says otherwise. */
export const resultsFolder = join(root, 'bench', 'results')

/** Writes one section of the adapter's file and leaves the others as they are. Returns the file's path. */
export function saveSection(gpu: Gpu, folder: string, section: string, content: object): string {
  const file = join(folder, `${gpu.name.replace(/[^\w.]+/g, '-').replace(/^-|-$/g, '')}.json`)
  const before = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as object) : {}
  const about = { date: new Date().toISOString().slice(0, 10), cores: availableParallelism(), versions: versions() }
  const all = { ...before, adapter: gpu.name, software: gpu.software, [section]: { ...about, ...content } }
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(`${file}.${process.pid}`, `${JSON.stringify(all, rounded, 2)}\n`)
  renameSync(`${file}.${process.pid}`, file)
  return file
}

/** Four significant digits are more than a timing is good for. */
function rounded(_: string, value: unknown): unknown {
  return typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(4)) : value
}

function versions(): Record<string, string> {
  const read = (file: string) => (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version
  const require = createRequire(import.meta.url)
  const installed = packages.map((name) => {
    const folder = require.resolve.paths(name)!.find((path) => existsSync(join(path, name, 'package.json')))
    return [name, folder ? read(join(folder, name, 'package.json')) : 'not installed']
  })
  return {
    voxplain: read(join(root, 'package.json')),
    node: process.versions.node,
    platform: `${process.platform}-${process.arch}`,
    ...Object.fromEntries(installed),
  }
}
