/** Which voxels of scans a mask changes, so that steps need not compute the rest again (see CompileOptions.live). */
import type { MaskGraph } from './mask-graph.ts'
import type { MaskSettings } from './mask-options.ts'

/** A scan with what replaces it: an image, or undefined for the settings' constant. */
export interface FilledScan {
  readonly tensor: Float32Array
  readonly fill: Float32Array | undefined
}

/** 1 for each voxel that a mask can change; one scan after the other. */
export function masksChange(scans: readonly FilledScan[], settings: MaskSettings, graph: MaskGraph): Uint8Array {
  const voxels = scans[0]!.tensor.length
  const flags = new Uint8Array(graph.x.shape[0]! * voxels)
  scans.forEach((scan, k) => {
    eachChange(scan, settings, graph, (i) => {
      flags[k * voxels + i] = 1
    })
  })
  return flags
}

/**
 * 1 for each voxel that a shared mask can change in one of the scans, or in which they differ: elsewhere what a run made of
 * one of them holds for all. The same for every place of the batch.
 */
export function groupChange(scans: readonly FilledScan[], settings: MaskSettings, graph: MaskGraph): Uint8Array {
  const first = scans[0]!.tensor
  const flags = new Uint8Array(first.length)
  for (const scan of scans) {
    eachChange(scan, settings, graph, (i) => {
      flags[i] = 1
    })
    for (let i = 0; i < flags.length; i++) if (scan.tensor[i] !== first[i]) flags[i] = 1
  }
  const batch = graph.x.shape[0]!
  const all = new Uint8Array(batch * flags.length)
  for (let k = 0; k < batch; k++) all.set(flags, k * flags.length)
  return all
}

function eachChange(
  { tensor, fill }: FilledScan,
  settings: MaskSettings,
  { tissue }: MaskGraph,
  mark: (i: number) => void,
) {
  const constant = settings.fill === 'one' ? 1 : 0
  for (let i = 0; i < tensor.length; i++) {
    const value = tensor[i]!
    if (value !== (fill ? fill[i] : constant) && !(tissue && value === 0)) mark(i)
  }
}
