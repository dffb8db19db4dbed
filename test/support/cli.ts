/** The command line inside the test's own process, and small files for it (Node only). */
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { main } from '../../src/cli/main.ts'
import { writeVolume } from '../../src/io/nifti.ts'
import type { Volume } from '../../src/io/volume.ts'
import { architectures, initialise } from '../../src/model/architectures.ts'
import { saveNetwork } from '../../src/model/formats/format.ts'
import { plainRecipe } from '../../src/model/recipe/recipe.ts'
import { values } from './evaluate.ts'

export interface Run {
  readonly code: number
  readonly out: string
  readonly err: string
}

/** Runs one command as a shell would, without a terminal. */
export async function voxplain(...argv: string[]): Promise<Run> {
  let out = ''
  let err = ''
  const code = await main(argv, {
    out: (text) => void (out += text),
    err: (text) => void (err += text),
    interactive: false,
    columns: 80,
  })
  return { code, out, err }
}

/** Size of the tiny network's scans along x, y, z. */
export const SIZE = [12, 14, 12] as const
const AFFINE = [2, 0, 0, -12, 0, 2, 0, -14, 0, 0, 2, -12, 0, 0, 0, 1]

/** A blob of grey matter with some noise, different for each seed. */
export function tinyScan(seed = 1, shape: readonly [number, number, number] = SIZE): Volume {
  const [nx, ny, nz] = shape
  const noise = values(nx * ny * nz, seed)
  const data = noise.map((value, n) => {
    const [i, j, k] = [n % nx, Math.floor(n / nx) % ny, Math.floor(n / (nx * ny))]
    const radius = Math.hypot((i - nx / 2) / nx, (j - ny / 2) / ny, (k - nz / 2) / nz)
    return Math.max(0, 1 - 2 * radius) * (1 + 0.2 * value)
  })
  return { shape, affine: AFFINE, data }
}

export interface Place {
  readonly folder: string
  /** A network for tinyScan, classes CN and AD. */
  readonly network: string
  /** Path of a file in the folder; its bytes are written when they are given. */
  file(name: string, bytes?: Uint8Array): Promise<string>
  scan(name: string, volume: Volume): Promise<string>
  /** Everything in a folder below, however deep; empty where there is none. */
  list(name: string): Promise<string[]>
  clear(): Promise<void>
}

/** A temporary folder with a tiny network in it. */
export async function makePlace(): Promise<Place> {
  const folder = await mkdtemp(join(tmpdir(), 'voxplain-cli-'))
  const file = async (name: string, bytes?: Uint8Array) => {
    const path = join(folder, name)
    if (bytes) {
      await mkdir(join(path, '..'), { recursive: true })
      await writeFile(path, bytes)
    }
    return path
  }
  const recipe = { ...plainRecipe(2), classes: ['CN', 'AD'] }
  const description = architectures.smallCnn({ inputShape: [1, ...SIZE], recipe, classes: ['CN', 'AD'] })
  return {
    folder,
    network: await file('tiny.safetensors', saveNetwork(initialise(description, 5))),
    file,
    scan: (name, volume) => file(name, writeVolume(volume, { gzip: name.endsWith('.gz') })),
    list: (name) => readdir(join(folder, name), { recursive: true }).catch(() => []),
    clear: () => rm(folder, { recursive: true, force: true }),
  }
}

/** Asserts an exit code, a single line on stderr with all the parts, and nothing on stdout. */
export function assertRefused(run: Run, code: 1 | 2, ...parts: string[]): void {
  const lines = run.err.split('\n').filter((line) => line !== '' && !/planned GPU memory/.test(line))
  assert.is(lines.length, 1, `one line was expected on stderr:\n${run.err}`)
  for (const part of parts) assert.ok(lines[0]!.includes(part), `"${lines[0]}" should say "${part}"`)
  assert.match(lines[0]!, /^voxplain: /)
  assert.is(run.code, code, run.err)
  assert.is(run.out, '')
}
