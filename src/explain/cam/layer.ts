/** The layer of a network that a class activation map is made at. */
import { InputError } from '../../io/errors.ts'
import { layerShapes, type Network } from '../../model/description.ts'

const CONVOLUTIONS = new Set(['conv3d', 'convTranspose3d'])

/**
 * The name of the layer, by default the last convolution.
 * @throws InputError for a layer that the network does not have, or that gives no volume; without any convolution
 */
export function camLayer({ description }: Network, name: string | undefined): string {
  const volumes = layerShapes(description).filter(({ shape }) => shape.length === 4)
  if (name === undefined) {
    const last = volumes.findLast(({ layer }) => CONVOLUTIONS.has(layer.type))
    if (last) return last.layer.name
    throw new InputError(
      `Grad-CAM looks at a convolution, and the network "${description.name}" has none; name another layer that gives a volume`,
    )
  }
  if (volumes.some(({ layer }) => layer.name === name)) return name
  const known = description.layers.some((layer) => layer.name === name)
  throw new InputError(
    `Grad-CAM: the layer "${name}" ${known ? 'gives no volume [C, D, H, W]' : 'is not in the network'}; layers that do: ${volumes.map(({ layer }) => layer.name).join(', ')}`,
  )
}
