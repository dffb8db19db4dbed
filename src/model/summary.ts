/** What `inspect` shows of a network. */
import { layerShapes, type Network } from './description.ts'
import type { LayerType } from './layer.ts'

/** Layers, shapes, parameters and floating-point operations for one scan, for people to read. */
export function summarise(network: Pick<Network, 'description'>): {
  layers: { name: string; type: LayerType; shape: readonly number[]; parameters: number; flops: number }[]
  parameters: number
  flops: number
} {
  const layers = layerShapes(network.description).map(({ layer, shape, parameters, flops }) => {
    return { name: layer.name, type: layer.type, shape, parameters, flops }
  })
  const total = (key: 'parameters' | 'flops') => layers.reduce((sum, l) => sum + l[key], 0)
  return { layers, parameters: total('parameters'), flops: total('flops') }
}
