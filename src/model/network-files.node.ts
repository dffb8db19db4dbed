/** Networks on disk, which may be folders or several files (Node only): MAPS, TensorFlow.js, and single files. */
import { readdir, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { InputError } from '../io/errors.ts'
import { readFileChecked } from '../io/files.node.ts'
import type { Network } from './description.ts'
import { type ImportOptions, loadNetwork } from './formats/format.ts'
import { type MapsFacts, readMaps } from './formats/maps.ts'
import { isOwn, loadNamed } from './formats/own-format.ts'
import { importTfjs, isTfjs, tfjsPaths } from './formats/tfjs.ts'
import { externalBeside } from './onnx-files.node.ts'
import { plainRecipe, type Recipe } from './recipe/recipe.ts'

export interface FoundNetwork {
  readonly network: Network
  /** The file with its weights (or its model.json). */
  readonly file: string
  /** Whether a recipe came with it or was given: voxplain's own files have one, MAPS may. */
  readonly hasRecipe: boolean
}

/** Folders between a checkpoint and its maps.json: MAPS/split-0/best-loss/model.pth.tar. */
const MAPS_DEPTH = 3
const CHECKPOINT = 'model.pth.tar'

/**
 * A network from a path: a file of any readable format, a TensorFlow.js model.json or its folder, a MAPS folder, or a
 * split or selection folder in one (of several, the first split and best-loss are taken).
 * @throws InputError naming the path that is missing or not usable
 */
export async function readNetwork(path: string, options: ImportOptions = {}): Promise<FoundNetwork> {
  if (await isFolder(path)) return readFolder(path, options)
  if (/\.json$/i.test(path)) return readJsonNetwork(path, options)
  return readCheckpoint(path, options)
}

async function isFolder(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isDirectory() ?? false
}

async function isFile(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isFile() ?? false
}

async function readFolder(path: string, options: ImportOptions): Promise<FoundNetwork> {
  const checkpoint = await findCheckpoint(path)
  if (checkpoint) return readCheckpoint(checkpoint, options)
  if (await isFile(join(path, 'model.json'))) return readJsonNetwork(join(path, 'model.json'), options)
  throw new InputError(
    `${path} is a folder without a MAPS (split-*/best-*/${CHECKPOINT}) or a TensorFlow.js model.json in it; give the file of a network`,
  )
}

/** Down to the first split and its best-loss. */
async function findCheckpoint(folder: string, depth = 1): Promise<string | undefined> {
  if (await isFile(join(folder, CHECKPOINT))) return join(folder, CHECKPOINT)
  if (depth === MAPS_DEPTH) return undefined
  const names = await readdir(folder)
  const number = (name: string) => Number(/\d+$/.exec(name)?.[0] ?? 0)
  const splits = names.filter((name) => /^(split|fold)-\d+$/.test(name)).sort((a, b) => number(a) - number(b))
  const selections = names.filter((name) => /^best-/.test(name)).sort()
  for (const name of [...splits, 'best-loss', ...selections]) {
    const below = join(folder, name)
    const found = (await isFolder(below)) ? await findCheckpoint(below, depth + 1) : undefined
    if (found) return found
  }
  return undefined
}

async function readCheckpoint(path: string, options: ImportOptions): Promise<FoundNetwork> {
  const facts = await findMaps(path)
  const bytes = await readFileChecked(path)
  const network = loadNetwork(bytes, { name: path, external: externalBeside(path), ...facts, ...options })
  const given = (options.recipe ?? facts.recipe) !== undefined || isOwn(bytes)
  return { network, file: path, hasRecipe: given || !isAssumed(network.description.recipe) }
}

/** The recipe of files that have none; ONNX files may carry one of ours. */
function isAssumed(recipe: Recipe): boolean {
  return JSON.stringify(recipe) === JSON.stringify(plainRecipe(recipe.classes.length))
}

/** What the maps.json above a checkpoint says; nothing where there is none. */
async function findMaps(path: string): Promise<MapsFacts> {
  if (basename(path) !== CHECKPOINT) return {}
  let folder = dirname(path)
  for (let k = 0; k < MAPS_DEPTH; k++) {
    const maps = join(folder, 'maps.json')
    if (await isFile(maps)) {
      const json = await readJson(maps)
      return named(maps, () => readMaps(json))
    }
    folder = dirname(folder)
  }
  return {}
}

async function readJsonNetwork(path: string, options: ImportOptions): Promise<FoundNetwork> {
  if (basename(path) === 'maps.json') return readFolder(dirname(path), options)
  const json = await readJson(path)
  if (!isTfjs(json)) {
    throw new InputError(
      `${path} holds no network: a TensorFlow.js model.json or a maps.json was expected; descriptions of layers go with weights (voxplain convert WEIGHTS OUT --layers ${path})`,
    )
  }
  const files = new Map<string, Uint8Array>()
  for (const name of named(path, () => tfjsPaths(json)))
    files.set(name, await readFileChecked(join(dirname(path), name)))
  const network = loadNamed({ name: path, ...options }, () => importTfjs({ json, file: (name) => files.get(name)! }))
  return { network, file: path, hasRecipe: options.recipe !== undefined }
}

async function readJson(path: string): Promise<unknown> {
  const text = new TextDecoder().decode(await readFileChecked(path))
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new InputError(`${path} is not JSON (${(error as Error).message})`)
  }
}

function named<T>(path: string, read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (error instanceof InputError) throw new InputError(`${path} is not usable: ${error.message}`)
    throw error
  }
}
