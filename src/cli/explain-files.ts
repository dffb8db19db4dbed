/** What explain writes for one map: the volume, the record of what was done, the picture. */
import { basename } from 'node:path'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import type { Explanation } from '../explain/explain.ts'
import { encodePng, montage } from '../io/montage.ts'
import { type NiftiVolume, writeVolume } from '../io/nifti.ts'
import { formatJson } from './json.ts'
import type { LoadedNetwork } from './network.ts'

export interface About {
  /** File of the network. */
  readonly network: string
  readonly loaded: LoadedNetwork
  readonly method: 'mask'
  /** File of the image that replaces masked voxels, where one was given. */
  readonly reference: string | undefined
  /** Files that were explained. */
  readonly scans: readonly string[]
  /** Files of a group that could not be. */
  readonly failed: readonly { readonly scan: string; readonly error: string }[]
  readonly adapter: string
  readonly software: boolean
  readonly versions: Readonly<Record<string, string>>
}

/**
 * The three files as bytes, nothing written yet. The record comes last: where there is one, the others are there too. The
 * volume is compressed on another thread, so that this one can keep the GPU busy meanwhile.
 * @param background scan behind the map in the picture
 * @param stem path of the files without `_desc-mask_relevance` and the ending
 */
export async function explanationFiles(
  background: NiftiVolume,
  { map, result, nonFinite, notes }: Explanation<NiftiVolume>,
  about: About,
  stem: string,
) {
  const path = (ending: string) => `${stem}_desc-${about.method}_relevance${ending}`
  const { description } = about.loaded.network
  const { classes } = description.recipe
  const name = classes[result.target]!
  const mean = (all: readonly ArrayLike<number>[]) => all.reduce((sum, p) => sum + p[result.target]!, 0) / all.length
  const score = { before: mean(result.before), after: mean(result.after) }
  const byClass = (p: ArrayLike<number>) => Object.fromEntries(classes.map((c, k) => [c, p[k]]))
  const report = {
    method: about.method,
    map: basename(path('.nii.gz')),
    network: { file: about.network, name: description.name, input: description.input, recipe: description.recipe },
    target: { index: result.target, name },
    options: { ...result.settings, reference: about.reference ?? null },
    probability: score,
    scans: about.scans.map((scan, k) => ({
      scan,
      before: byClass(result.before[k]!),
      after: byClass(result.after[k]!),
    })),
    failed: about.failed,
    masked: result.masked,
    iterations: result.iterations,
    converged: result.converged,
    trace: result.trace,
    nonFinite,
    notes: [...about.loaded.notes, ...notes],
    gpuBytes: result.gpuBytes,
    seconds: result.seconds,
    adapter: about.adapter,
    software: about.software,
    versions: about.versions,
  }
  const change = `P(${name}) ${score.before.toFixed(4)} -> ${score.after.toFixed(4)}`
  const percent = `${(100 * result.masked).toFixed(2)} % masked`
  const who = about.scans.length > 1 ? `group of ${about.scans.length}` : basename(about.scans[0]!)
  const picture = montage(background, map, {
    title: `${who}: ${change}`,
    label: `relevance for ${name} (1 - mask)`,
    max: 1,
  })
  const steps = `${result.iterations} steps${result.converged ? '' : ' (not converged)'}`
  const volume = await promisify(gzip)(writeVolume(map, { description: `voxplain ${about.method} ${name}` }))
  return {
    files: [
      { path: path('.nii.gz'), bytes: volume },
      { path: path('.png'), bytes: encodePng(picture) },
      { path: path('.json'), bytes: formatJson(report) },
    ],
    report,
    summary: `${change}, ${percent}, ${steps}, ${result.seconds.toFixed(1)} s`,
  }
}
