/** The regions of a network's input. */
import { type Atlas, atlasOnGrid } from '../../io/atlas/atlas.ts'
import type { Volume } from '../../io/volume.ts'
import type { NetworkDescription } from '../../model/description.ts'
import { eachVoxel } from '../../model/recipe/recipe-voxels.ts'

/**
 * The atlas as the network sees it through its recipe: what MethodInput.regions takes.
 * @param atlas on any grid of the scan's space; it is brought to the scan
 * @returns [D, H, W], place in atlas.regions plus 1, 0 for no region and for padding
 * @throws InputError when atlas and scan do not overlap, or the scan does not fit the recipe
 */
export function regionsOfInput({ recipe, input }: NetworkDescription, scan: Volume, atlas: Atlas): Uint16Array {
  const { labels } = atlasOnGrid(atlas, scan)
  const regions = new Uint16Array(input[1] * input[2] * input[3])
  eachVoxel(recipe, scan, input, (t, s) => {
    regions[t] = labels[s]!
  })
  return regions
}
