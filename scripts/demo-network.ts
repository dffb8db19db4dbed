/** The demo's network: small enough to train on a CPU in a minute. */
import type { Volume } from '../src/io/volume.ts'
import { posterCnn } from '../src/model/architectures.ts'
import type { NetworkDescription } from '../src/model/description.ts'
import type { Recipe } from '../src/model/recipe/recipe.ts'

export const CLASSES: readonly string[] = ['CN', 'AD']

/** Grey matter of the template from which a voxel counts as brain. */
const BRAIN = 0.05

/**
 * Scans of the template's grid, cut to the brain; each side a multiple of `multiple` voxels (so that halving loses none)
 * where the grid has room for it.
 */
export function brainRecipe(template: Volume, multiple: number): Recipe {
  const { shape, affine, data } = template
  const first = [...shape]
  const last = [0, 0, 0]
  data.forEach((value, v) => {
    if (value < BRAIN) return
    const at = [v % shape[0], Math.floor(v / shape[0]) % shape[1], Math.floor(v / (shape[0] * shape[1]))]
    at.forEach((i, k) => {
      first[k] = Math.min(first[k]!, i)
      last[k] = Math.max(last[k]!, i)
    })
  })
  const crop = shape.map((size, k) => {
    const length = Math.min(size, Math.ceil((last[k]! - first[k]! + 1) / multiple) * multiple)
    const middle = (first[k]! + last[k]! + 1) / 2
    const start = Math.min(size - length, Math.max(0, Math.round(middle - length / 2)))
    return [start, start + length] as const
  }) as unknown as NonNullable<Recipe['crop']>
  return {
    name: 'phantom',
    grid: { shape, affine },
    crop,
    axes: ['x', 'y', 'z'],
    flip: [false, false, false],
    scaling: 'min-max',
    nonFinite: 'zero',
    classes: CLASSES,
  }
}

/**
 * The network family of Thibeau-Sutre et al. 2020, narrow. Running statistics follow faster than by default, because a
 * short training has few steps for them to settle in.
 */
export function demoNetwork(recipe: Recipe, channels: readonly number[]): NetworkDescription {
  const inputShape = [1, ...recipe.crop!.map(([from, to]) => to - from)]
  const description = posterCnn({ inputShape, channels, classes: CLASSES, recipe, dropout: 0.2 })
  const layers = description.layers.map((layer) => (layer.type === 'batchNorm' ? { ...layer, momentum: 0.15 } : layer))
  return { ...description, name: 'demo', layers }
}

/**
 * The same family as a list of layers for `--architecture`: narrow enough for a CPU, and with a dropout that the command sets.
 * Its few features (a flattened 5 x 6 x 5 grid at 4 mm) bear the large steps that a training of few epochs needs.
 */
export function posterLayers(channels: readonly number[]): { name: string; layers: object[] } {
  const block = (width: number, n: number) => [
    { type: 'conv3d', name: `conv${n}`, channels: width, kernel: 3, padding: 1 },
    { type: 'batchNorm', name: `norm${n}`, momentum: 0.15 },
    { type: 'leakyRelu', name: `relu${n}`, slope: 0.01 },
    { type: 'maxPool3d', name: `pool${n}`, kernel: 2, stride: 2 },
  ]
  const end = [
    { type: 'flatten', name: 'flatten' },
    { type: 'dropout', name: 'dropout', rate: 'dropout' },
    { type: 'dense', name: 'output', units: 'classes' },
  ]
  const blocks = channels.flatMap((width, k) => block(width, k + 1))
  return { name: `poster family, ${channels.join('-')} channels`, layers: [...blocks, ...end] }
}
