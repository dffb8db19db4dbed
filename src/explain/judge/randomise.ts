/** Networks whose layers lose what they learned, one after the other from the top. */
import { initialise } from '../../model/architectures.ts'
import { layerShapes, type Network } from '../../model/description.ts'

/** Names of the layers that hold weights, the last of the network first. */
export function cascade({ description }: Network): string[] {
  const layers = layerShapes(description).filter(({ weights }) => weights.size > 0)
  return layers.map(({ layer }) => layer.name).reverse()
}

/**
 * The network with some layers as they were before training: weights drawn anew from the distribution that such a layer
 * starts from (see initialise), norms the identity. Adebayo et al. 2018; Quantus MPRT calls PyTorch's reset_parameters.
 */
export function randomised(network: Network, layers: readonly string[], seed: number): Network {
  const fresh = initialise(network.description, seed).weights
  const names = new Set(layers.flatMap((layer) => [...fresh.keys()].filter((name) => layerOf(name) === layer)))
  return { ...network, weights: new Map([...network.weights].map(([n, w]) => [n, names.has(n) ? fresh.get(n)! : w])) }
}

/** Weights are named `<layer>.<weight>`; names of layers may hold dots. */
function layerOf(weight: string): string {
  return weight.slice(0, weight.lastIndexOf('.'))
}
