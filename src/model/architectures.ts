/**
 * Known network architectures as descriptions, and their initial weights.
 */
import { InputError } from '../io/errors.ts'
import type { ArchitectureOptions } from './architectures-base.ts'
import { conv4Fc3, conv5Fc3, dyrba, posterCnn, smallCnn } from './architectures-blocks.ts'
import { densenet3d, resnet3d } from './architectures-skip.ts'
import { layerShapes, type Network, type NetworkDescription, type Weight } from './description.ts'
import { product } from './layer-rules.ts'
import { uniformStream } from './random.ts'

export type { ArchitectureOptions } from './architectures-base.ts'
export { conv4Fc3, conv5Fc3, dyrba, type PosterOptions, posterCnn, smallCnn } from './architectures-blocks.ts'
export { networkFromJson } from './architectures-json.ts'
export { type DenseNetOptions, densenet3d, type ResNetOptions, resnet3d } from './architectures-skip.ts'

/** Architectures by name, for command lines. */
export const architectures = { conv5Fc3, conv4Fc3, dyrba, posterCnn, smallCnn, resnet3d, densenet3d } as const

/**
 * A known architecture by its name as people write it: conv5Fc3, Conv5_FC3, resnet-3d.
 * @param options those of the architecture; it takes no notice of others
 * @throws InputError for a name that nobody knows, and what the architecture throws
 */
export function architectureByName(name: string, options: ArchitectureOptions): NetworkDescription {
  const plain = (text: string) => text.toLowerCase().replace(/[^a-z0-9]/g, '')
  const found = Object.entries(architectures).find(([known]) => plain(known) === plain(name))
  if (!found) {
    throw new InputError(`no architecture is called "${name}"; known: ${Object.keys(architectures).join(', ')}`)
  }
  return found[1](options)
}

/** Input values that feed one output: PyTorch counts axis 1 times the kernel, for transposed convolutions as well. */
function fanIn(shape: readonly number[]): number {
  return product(shape.slice(1))
}

/**
 * A network with PyTorch's default initial weights: convolutions and dense layers uniform within 1 / sqrt(fan-in)
 * (Kaiming with a = sqrt 5), norms the identity, PReLU slopes 0.25. The same seed gives the same network everywhere.
 */
export function initialise(description: NetworkDescription, seed: number): Network {
  const weights = new Map<string, Weight>()
  for (const { layer, weights: shapes } of layerShapes(description)) {
    const kernel = shapes.get(`${layer.name}.weight`)
    for (const [name, shape] of shapes) {
      const data = new Float32Array(product(shape))
      if (layer.type === 'conv3d' || layer.type === 'convTranspose3d' || layer.type === 'dense') {
        const bound = 1 / Math.sqrt(fanIn(kernel!))
        const next = uniformStream(seed, name)
        for (let k = 0; k < data.length; k++) data[k] = (2 * next() - 1) * bound
      } else if (layer.type === 'prelu') data.fill(0.25)
      else if (name.endsWith('.weight') || name.endsWith('.running_var')) data.fill(1)
      weights.set(name, { shape, data })
    }
  }
  return { description, weights }
}
