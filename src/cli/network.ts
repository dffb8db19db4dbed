/** Networks and recipes named on the command line. */
import type { Command } from 'commander'
import { InputError } from '../io/errors.ts'
import { readFileChecked } from '../io/files.node.ts'
import type { Volume } from '../io/volume.ts'
import { type Network, withRecipe } from '../model/description.ts'
import type { ImportOptions } from '../model/formats/format.ts'
import { readNetwork } from '../model/network-files.node.ts'
import { builtinRecipes, inputShape, type Recipe, readRecipe } from '../model/recipe/recipe.ts'
import { shapeOption } from './options.ts'

/** What files of other frameworks may not say themselves. */
export interface ImportCommandOptions {
  inputShape?: number[]
  layers?: string
  output?: string
  binary?: boolean
}

/** Adds them to a command that opens networks. */
export function addImportOptions(command: Command): Command {
  return command
    .option('--input-shape <CxDxHxW>', 'what the network takes, where its file leaves that open', shapeOption(4))
    .option('--layers <file.json>', 'the layers that a state dict belongs to: {"input": [...], "layers": [...]}')
    .option('--output <name>', 'which output of an ONNX file to take, where it has several')
    .option('--binary', 'the one number that an ONNX network gives is the logit of the second of two classes')
}

/** What the command line says about such a file. */
export async function importOptions({
  inputShape,
  layers,
  output,
  binary,
}: ImportCommandOptions): Promise<ImportOptions> {
  return {
    ...(inputShape && { inputShape }),
    ...(layers !== undefined && { layers: await readJsonFile(layers, '--layers') }),
    ...(output !== undefined && { output }),
    ...(binary && { binary }),
  }
}

/** A JSON file that an option names. */
export async function readJsonFile(path: string, option: string): Promise<unknown> {
  try {
    return JSON.parse(new TextDecoder().decode(await readFileChecked(path)))
  } catch (error) {
    if (error instanceof SyntaxError) throw new InputError(`${option} ${path} is not JSON (${error.message})`)
    throw error
  }
}

export interface LoadedNetwork {
  readonly network: Network
  /** What the user should know about how scans will be prepared. */
  readonly notes: readonly string[]
  /** Names of known recipes that would fit the network where none was given; a hint when a scan does not fit. */
  readonly suggested: readonly string[]
}

/**
 * A network from a file (or a folder: see readNetwork), with the recipe the user named.
 * @param recipe a known recipe's name or the path of a JSON file; undefined: the network's own
 * @param options what files of other frameworks do not say (see importOptions)
 * @throws InputError naming the file that is missing or not usable, or the recipe that does not exist
 */
export async function openNetwork(path: string, recipe?: string, options: ImportOptions = {}): Promise<LoadedNetwork> {
  const chosen = recipe === undefined ? undefined : await openRecipe(recipe)
  const { network, file, hasRecipe } = await readNetwork(path, options)
  const found = file === path ? [] : [`${path}: its network is ${file}`]
  if (chosen) {
    try {
      return {
        network: { ...network, description: withRecipe(network.description, chosen) },
        notes: found,
        suggested: [],
      }
    } catch (error) {
      throw error instanceof InputError ? new InputError(`--recipe ${recipe}: ${error.message}`) : error
    }
  }
  if (hasRecipe) return { network, notes: found, suggested: [] }
  const suggested = recipesFor(network)
  const note =
    `${path} has no input recipe (files of other frameworks hold none), so the plain one is assumed: ${describeRecipe(network.description.recipe)}; ` +
    `choose another with --recipe${suggested.length ? `; its input is that of --recipe ${suggested.join(', ')}` : ''}`
  return { network, notes: [...found, note], suggested }
}

export async function openRecipe(name: string): Promise<Recipe> {
  if (Object.hasOwn(builtinRecipes, name)) return builtinRecipes[name as keyof typeof builtinRecipes]
  const known = Object.keys(builtinRecipes).join(', ')
  if (!/\.json$/i.test(name)) {
    throw new InputError(`no recipe is called "${name}"; known: ${known}, or the path of a recipe as a .json file`)
  }
  const text = new TextDecoder().decode(await readFileChecked(name))
  try {
    return readRecipe(JSON.parse(text))
  } catch (error) {
    if (error instanceof InputError || error instanceof SyntaxError) {
      throw new InputError(`${name} is not a usable recipe: ${error.message}`)
    }
    throw error
  }
}

/** Known recipes whose crop gives just the input the network takes. */
function recipesFor({ description: { input } }: Network): string[] {
  const fits = ({ axes, crop, grid }: Recipe) =>
    axes.every((letter, k) => {
      const g = 'xyz'.indexOf(letter)
      const [from, to] = crop?.[g] ?? [0, grid?.shape[g]]
      return to !== undefined && to - from === input[k + 1]
    })
  return Object.entries(builtinRecipes)
    .filter(([, recipe]) => fits(recipe))
    .map(([name]) => name)
}

/** A recipe in one line. */
export function describeRecipe({ name, grid, crop, axes, flip, scaling, classes }: Recipe): string {
  const parts = [
    name,
    ...(grid ? [`grid ${grid.shape.join(' x ')}`] : []),
    ...(crop ? [`crop ${crop.map(([from, to], g) => `${'xyz'[g]} ${from}:${to}`).join(' ')}`] : []),
    `axes ${axes.map((axis, k) => (flip[k] ? `-${axis}` : axis)).join(' ')}`,
    `scaling ${scaling}`,
    `classes ${classes.join(', ')}`,
  ]
  return parts.join(', ')
}

/**
 * Index of a class by its name.
 * @throws InputError with the names there are
 */
export function classIndex({ description }: Network, name: string): number {
  const { classes } = description.recipe
  const index = classes.indexOf(name)
  if (index < 0) throw new InputError(`the network has no class "${name}"; its classes: ${classes.join(', ')}`)
  return index
}

/**
 * Runs work on a scan. When the scan does not fit the network and another recipe would have done, the error says so.
 */
export async function withHint<T>(
  { network, suggested }: LoadedNetwork,
  scan: Volume,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work()
  } catch (error) {
    const { input, recipe } = network.description
    const misfit = inputShape(recipe, scan).some((n, k) => n !== input[k])
    if (!(error instanceof InputError) || suggested.length === 0 || !misfit) throw error
    throw new InputError(`${error.message}; perhaps --recipe ${suggested.join(' or ')}`)
  }
}
