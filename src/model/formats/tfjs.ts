/**
 * TensorFlow.js layers models: a model.json (Keras' topology and a manifest of the weights) and binary files.
 * Format: tfjs-core/src/io/types.ts and tfjs-converter's write_weights.py.
 */
import { InputError } from '../../io/errors.ts'
import { allocate } from '../../io/gunzip.ts'
import type { Network, Weight } from '../description.ts'
import type { Recipe } from '../recipe/recipe.ts'
import { buildKeras } from './keras.ts'
import { handOut } from './keras-builder.ts'
import { integerFrom, listOf, numberWithin, readName, readObject, show } from './read-json.ts'
import { halfToNumber } from './safetensors.ts'

export interface TfjsFiles {
  /** Parsed model.json. */
  readonly json: unknown
  /** Bytes of a weights file by the name that the manifest gives it. @throws InputError when it is missing */
  file(path: string): Uint8Array
}

type Read = (view: DataView, at: number) => number

const TYPES: Readonly<Record<string, readonly [number, Read]>> = {
  float32: [4, (v, at) => v.getFloat32(at, true)],
  float16: [2, (v, at) => halfToNumber(v.getUint16(at, true))],
  int32: [4, (v, at) => v.getInt32(at, true)],
  uint16: [2, (v, at) => v.getUint16(at, true)],
  uint8: [1, (v, at) => v.getUint8(at)],
  bool: [1, (v, at) => v.getUint8(at)],
}

const MOST_FILES = 10000

/** Whether parsed JSON is a model.json of TensorFlow.js, of whatever kind. */
export function isTfjs(json: unknown): boolean {
  return typeof json === 'object' && json !== null && 'modelTopology' in json && 'weightsManifest' in json
}

/**
 * The weights files that a model.json names.
 * @throws InputError when the manifest is damaged, or a path leaves the folder
 */
export function tfjsPaths(json: unknown): string[] {
  const manifest = listOf(readObject)(readObject(json, 'model.json').weightsManifest, 'weightsManifest')
  const paths = manifest.flatMap((group) => listOf(readName)(group.paths, 'weightsManifest: paths'))
  const unsafe = paths.find((path) => /^\/|\\|\0|:/.test(path) || path.split('/').includes('..'))
  if (unsafe !== undefined) throw new InputError(`its weights file ${show(unsafe)} is not in the folder of model.json`)
  if (paths.length > MOST_FILES) throw new InputError(`it names ${paths.length} weights files, more than ${MOST_FILES}`)
  if (new Set(paths).size < paths.length) throw new InputError('it names a weights file twice')
  return paths
}

/**
 * A network from a TensorFlow.js layers model.
 * @throws InputError for graph models, damaged files, and layers that are not supported
 */
export function importTfjs(files: TfjsFiles, recipe?: Recipe): Network {
  const json = readObject(files.json, 'model.json')
  if (json.format === 'graph-model') {
    throw new InputError(
      'it is a TensorFlow.js graph model, which has operations in place of layers; convert the Keras model to a layers model, or to ONNX',
    )
  }
  const topology = readObject(json.modelTopology, 'modelTopology')
  // Converted from HDF5, it is wrapped together with Keras' version.
  const model = topology.model_config === undefined ? topology : readObject(topology.model_config, 'model_config')
  tfjsPaths(json)
  const weights = readManifest(json.weightsManifest, files)
  const names = namesByLayer(weights)
  return buildKeras(
    JSON.stringify(model),
    ({ layer }) => handOut(names.get(layer) ?? [], (name) => weights.get(name)!),
    recipe,
  )
}

/** dense_1/kernel belongs to dense_1; names of layers may have slashes themselves. */
function namesByLayer(weights: ReadonlyMap<string, Weight>): Map<string, string[]> {
  const names = new Map<string, string[]>()
  for (const name of weights.keys()) {
    const layer = name.slice(0, Math.max(0, name.lastIndexOf('/')))
    const own = names.get(layer)
    if (own) own.push(name)
    else names.set(layer, [name])
  }
  return names
}

/** All weights by name, in the manifest's order, which is Keras' own. */
function readManifest(manifest: unknown, { file }: TfjsFiles): Map<string, Weight> {
  const weights = new Map<string, Weight>()
  for (const group of listOf(readObject)(manifest, 'weightsManifest')) {
    const bytes = joined((group.paths as string[]).map(file))
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    let at = 0
    for (const entry of listOf(readObject)(group.weights, 'weightsManifest: weights')) {
      const name = readName(entry.name, 'weightsManifest: the name of a weight')
      if (weights.has(name)) throw new InputError(`the manifest lists the weight "${name}" twice`)
      const { weight, length } = readWeight(view, at, name, entry)
      weights.set(name, weight)
      at += length
    }
    if (at !== bytes.length) {
      throw new InputError(`the weights take ${at} bytes by the manifest, but their files have ${bytes.length}`)
    }
  }
  return weights
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  if (parts.length === 1) return parts[0]!
  const all = allocate(
    parts.reduce((sum, part) => sum + part.length, 0),
    'the weights',
  )
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return all
}

interface Stored {
  readonly type: string
  readonly scale: number
  readonly offset: number
}

/** How values are stored: quantised ones are scale * q + min. */
function storedAs(entry: Readonly<Record<string, unknown>>): Stored {
  if (entry.quantization === undefined) return { type: String(entry.dtype), scale: 1, offset: 0 }
  const q = readObject(entry.quantization, 'quantization')
  // Half floats are listed as quantised, without a scale.
  if (q.dtype === 'float16') return { type: 'float16', scale: 1, offset: 0 }
  const number = numberWithin()
  return {
    type: String(q.dtype),
    scale: number(q.scale, 'quantization.scale'),
    offset: number(q.min, 'quantization.min'),
  }
}

function readWeight(
  view: DataView,
  at: number,
  name: string,
  entry: Readonly<Record<string, unknown>>,
): { weight: Weight; length: number } {
  const shape = listOf(integerFrom(0))(entry.shape, `the shape of "${name}"`)
  const { type, scale, offset } = storedAs(entry)
  if (!Object.hasOwn(TYPES, type)) {
    throw new InputError(`the weight "${name}" is stored as ${show(type)}; supported: ${Object.keys(TYPES).join(', ')}`)
  }
  const [width, read] = TYPES[type]!
  const count = shape.reduce((a, b) => a * b, 1)
  const length = count * width
  if (at + length > view.byteLength) {
    throw new InputError(
      `the weight "${name}" takes ${length} bytes from byte ${at}, but its files end at ${view.byteLength}`,
    )
  }
  const data = new Float32Array(count)
  for (let k = 0; k < count; k++) data[k] = scale * read(view, at + k * width) + offset
  return { weight: { shape, data }, length }
}
