/** Steps of a study by the command line, as the scripts that show something on phantoms take them. */
import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { main } from '../src/cli/main.ts'
import { phantomCohort } from '../src/phantom/cohort.ts'
import { brainRecipe, posterLayers } from './demo-network.ts'

/** Runs a command and tells which. @returns seconds that it took. @throws Error where it fails */
export async function run(...argv: readonly string[]): Promise<number> {
  process.stderr.write(`\n$ voxplain ${argv.join(' ')}\n`)
  const began = performance.now()
  if ((await main([...argv])) !== 0) throw new Error(`voxplain ${argv[0]} failed`)
  return (performance.now() - began) / 1000
}

/** A phantom cohort, made once. @returns its table */
export async function cohort(folder: string, ...options: readonly string[]): Promise<string> {
  const table = join(folder, 'participants.tsv')
  if (!existsSync(table)) await run('phantom', '--out', folder, ...options)
  return table
}

/** Files of the poster's network, narrow, and of the recipe for phantoms of a voxel size. */
export async function writeNetwork(folder: string, voxelMm: number, channels: readonly number[] = [4, 8, 16]) {
  await mkdir(folder, { recursive: true })
  const [layers, recipe] = [join(folder, 'network.json'), join(folder, 'recipe.json')]
  const { template } = phantomCohort({ voxelMm, subjects: 1 })
  await writeFile(recipe, `${JSON.stringify(brainRecipe(template, 2 ** channels.length), null, 2)}\n`)
  await writeFile(layers, `${JSON.stringify(posterLayers(channels), null, 2)}\n`)
  return { layers, recipe }
}

/** How it is trained. */
export const TRAINING = ['--dropout', '0.2', '--batch', '4', '--learning-rate', '3e-3', '--schedule', 'cosine'] as const
