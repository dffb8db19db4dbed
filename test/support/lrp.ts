/** Networks of LRP's tests: layers as JSON, weights and input from a seed, as test/reference/zennit_lrp.py draws them. */
import { describe } from '../../src/model/architectures-base.ts'
import { layerShapes, type Network, type Weight } from '../../src/model/description.ts'
import { product } from '../../src/model/layer-rules.ts'
import { values } from './evaluate.ts'

export function lrpNetwork(inputShape: readonly number[], layers: readonly unknown[], seed: number): Network {
  const last = layers.at(-1) as { units: number }
  const description = describe('lrp', { inputShape, classes: last.units }, layers)
  const weights = new Map<string, Weight>()
  for (const { layer, weights: shapes } of layerShapes(description)) {
    for (const [name, shape] of shapes) {
      const data = values(product(shape), seed + weights.size)
      const fan = Math.sqrt(3 / product(shape.slice(1)))
      const change = (v: number) => {
        if (name.endsWith('.running_var')) return 1 + 0.5 * v
        if (name.endsWith('.running_mean') || name.endsWith('.bias')) return 0.25 * v
        return layer.type === 'batchNorm' ? 1.5 * v : v * fan
      }
      weights.set(name, { shape, data: data.map(change) })
    }
  }
  return { description, weights }
}

export function lrpInput(inputShape: readonly number[], seed: number): Float32Array {
  return values(product(inputShape), seed + 1000)
}

/** Length of the difference over the length of what is expected. */
export function relativeL2(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  let difference = 0
  let length = 0
  for (let k = 0; k < expected.length; k++) {
    difference += (actual[k]! - expected[k]!) ** 2
    length += expected[k]! ** 2
  }
  return Math.sqrt(difference / length)
}
