/** From a volume of classes to one score a class. */
import { InputError } from '../io/errors.ts'
import { layerShapes, type Network, validateDescription, type Weight } from './description.ts'

/**
 * A segmentation as a classifier whose logit of a class is its voxels' logits, weighted and summed: sum of w(v) z(c, v).
 * Any explanation method then says what in the scan speaks for the class at these voxels. To explain where a class was found,
 * give 1 at the voxels predicted as it (as Seg-Grad-CAM does, https://arxiv.org/abs/2002.11434); to explain one voxel, 1 there.
 * Without weights it is the mean over all voxels, which is what the segmentation's own `logits` are.
 * @param weights [D, H, W] of the last layer's output
 * @throws InputError when the network is no segmentation, or the weights are not one finite number a voxel
 */
export function scoreVoxels(network: Network, weights: Float32Array): Network {
  const { description } = network
  if (description.output !== 'segmentation') {
    throw new InputError(
      `the network "${description.name}" gives one number a class already; voxels are those of segmentations`,
    )
  }
  const last = description.layers.at(-1)!
  const end = last.type === 'softmax' ? last.inputs[0]! : last.name
  const [, ...size] = layerShapes(description).at(-1)!.shape as [number, ...number[]]
  const count = size.reduce((a, b) => a * b, 1)
  if (weights.length !== count || !weights.every(Number.isFinite)) {
    throw new InputError(
      `${weights.length} weights are given; the network has ${count} voxels (${size.join(' x ')}), each with one finite number`,
    )
  }
  const taken = new Set(description.layers.map((l) => l.name))
  const free = (name: string): string => (taken.has(name) ? free(`${name}_`) : name)
  const [map, weighted, mean, sum] = ['voxel_weights', 'weighted_voxels', 'voxel_mean', 'voxel_score'].map(free)
  const added = [
    { name: map, type: 'constant', shape: [1, ...size] },
    { name: weighted, type: 'multiply', inputs: [end, map] },
    { name: mean, type: 'globalAvgPool' },
    { name: sum, type: 'scale', factor: count, offset: 0 },
  ]
  const kept = last.type === 'softmax' ? description.layers.slice(0, -1) : description.layers
  const map4: Weight = { shape: [1, ...size], data: weights }
  return {
    ...network,
    description: validateDescription({ ...description, layers: [...kept, ...added], output: 'logits' }),
    weights: new Map([...network.weights, [`${map}.weight`, map4]]),
  }
}
