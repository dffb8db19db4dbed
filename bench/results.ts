/** Results on disk: one JSON file an adapter, with a section for each bench. */
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { availableParallelism } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Gpu } from '../src/engine/gpu.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const packages = [
  'webgpu',
  'tinybench',
  '@tensorflow/tfjs-core',
  '@tensorflow/tfjs-backend-webgpu',
  'onnxruntime-web',
  '@jax-js/jax',
]

/** Where results go unless the command line says otherwise. */
export const resultsFolder = join(root, 'bench', 'results')

/** One section as it was recorded before; undefined where there is none. */
export function readSection(gpu: Gpu, folder: string, section: string): unknown {
  return read(fileOf(gpu, folder))[section]
}

function fileOf(gpu: Gpu, folder: string): string {
  return join(folder, `${gpu.name.replace(/[^\w.]+/g, '-').replace(/^-|-$/g, '')}.json`)
}

function read(file: string): Record<string, unknown> {
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>) : {}
}

/** Writes one section of the adapter's file and leaves the others as they are. Returns the file's path. */
export function saveSection(gpu: Gpu, folder: string, section: string, content: object): string {
  const file = fileOf(gpu, folder)
  const about = { date: new Date().toISOString().slice(0, 10), cores: availableParallelism(), versions: versions() }
  const all = { ...read(file), adapter: gpu.name, software: gpu.software, [section]: { ...about, ...content } }
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
  const versionIn = (file: string) => (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version
  const require = createRequire(import.meta.url)
  const installed = packages.map((name) => {
    const folder = require.resolve.paths(name)!.find((path) => existsSync(join(path, name, 'package.json')))
    return [name, folder ? versionIn(join(folder, name, 'package.json')) : 'not installed']
  })
  return {
    voxplain: versionIn(join(root, 'package.json')),
    node: process.versions.node,
    platform: `${process.platform}-${process.arch}`,
    ...Object.fromEntries(installed),
  }
}
