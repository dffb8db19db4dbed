/** Looking at what a layer gives, or keeping it as it is. */
import type { Network } from '../model/description.ts'
import type { Layer } from '../model/layer.ts'

/**
 * The network with a layer that changes nothing behind the named one, and the new layer's name. What the named layer gives is
 * then a value of the graph, also where it would otherwise be folded into what follows (a convolution with its batch norm).
 */
export function withTap(network: Network, name: string): { network: Network; tap: string } {
  const { description } = network
  const taken = new Set(description.layers.map((layer) => layer.name))
  let tap = `${name}:tap`
  while (taken.has(tap)) tap += "'"
  const layers = description.layers.flatMap((layer): Layer[] => {
    const redirected: Layer = { ...layer, inputs: layer.inputs.map((source) => (source === name ? tap : source)) }
    if (layer.name !== name) return [redirected]
    return [layer, { name: tap, type: 'scale', inputs: [name], factor: 1, offset: 0 }]
  })
  return { network: { ...network, description: { ...description, layers } }, tap }
}
