/** Networks and maps to compare, for the tests of explanation methods. */
import { type Attribution, type MakeOptions, type Method, settingsOf } from '../../src/explain/method.ts'
import { initialise } from '../../src/model/architectures.ts'
import { type Network, validateDescription } from '../../src/model/description.ts'
import { testGpu, values } from './evaluate.ts'

/** Of the input of networkOf's networks, [C, D, H, W]. */
export const SIZE = [2, 9, 8, 7] as const
export const COUNT = 2 * 9 * 8 * 7

type Json = { readonly type: string; readonly name?: string; readonly [key: string]: unknown }

/** A network of layers in a row, each named as its type unless it says so, with weights away from their defaults. */
export function networkOf(layers: readonly Json[], seed = 1): Network {
  const named = layers.map((layer, k) => ({ name: `${layer.type}${k}`, ...layer }))
  const description = validateDescription({
    format: 'voxplain-network',
    version: 1,
    name: 'test',
    input: [...SIZE],
    output: 'logits',
    layers: named,
  })
  const { weights } = initialise(description, seed)
  const moved = [...weights].map(([name, { shape, data }], k) => {
    const noise = values(data.length, k + seed)
    const spread =
      name.endsWith('bias') || name.endsWith('running_mean') ? 0.3 : name.endsWith('running_var') ? 0.4 : 0.1
    return [name, { shape, data: data.map((v, i) => v * 1.3 + spread * noise[i]!) }] as const
  })
  return { description, weights: new Map(moved) }
}

/** Strided, grouped and transposed convolutions, all kinds of pools and activations, branches and products. */
export const zoo = networkOf([
  { name: 'conv', type: 'conv3d', channels: 4, kernel: 3, padding: 1 },
  { type: 'batchNorm' },
  { name: 'first', type: 'prelu', parameters: 4 },
  { type: 'conv3d', channels: 4, kernel: 3, stride: 2, padding: 1, groups: 2 },
  { type: 'instanceNorm' },
  { name: 'half', type: 'elu', alpha: 0.8 },
  { type: 'convTranspose3d', channels: 4, kernel: 3, padding: 1 },
  { type: 'sigmoid', name: 'gate' },
  { type: 'multiply', inputs: ['gate', 'half'], name: 'gated' },
  { type: 'add', inputs: ['gated', 'half'] },
  { type: 'clamp', low: -0.3, high: 0.9, name: 'clamped' },
  { type: 'maxPool3d', kernel: 3, stride: 2, padding: 1, name: 'overlapping' },
  {
    type: 'maxPool3d',
    kernel: 2,
    stride: 2,
    padding: { front: [1, 0, 0], back: 0 },
    padValue: 'zero',
    inputs: ['clamped'],
    name: 'padded',
  },
  { type: 'avgPool3d', kernel: 2, stride: 2, inputs: ['half'], name: 'average' },
  { type: 'tanh', inputs: ['average'], name: 'averaged' },
  { type: 'crop', front: [0, 0, 0], back: [1, 0, 0], inputs: ['overlapping'], name: 'cropped' },
  { type: 'crop', front: [0, 0, 0], back: [1, 0, 0], inputs: ['padded'], name: 'cropped2' },
  { type: 'concat', inputs: ['cropped', 'cropped2', 'averaged'] },
  { type: 'leakyRelu', slope: 0.1 },
  { name: 'last', type: 'conv3d', channels: 6, kernel: 1, bias: false },
  { type: 'relu' },
  { type: 'flatten' },
  { type: 'dense', units: 8 },
  { type: 'relu' },
  { type: 'dense', units: 3 },
])

/** Inputs of the zoo. */
export const scans = [3, 4, 5].map((seed) => values(COUNT, seed))

/** Explains scans, by default three: for class 2, for the predicted class, and for class 0. */
export async function explain<S extends object>(
  method: Method<S>,
  settings: Partial<S> = {},
  options: MakeOptions = {},
  network = zoo,
  inputs = scans.map((tensor, k) => ({ tensor, target: [2, undefined, 0][k] })),
): Promise<Attribution[]> {
  const explainer = await method.make(await testGpu(), network, settingsOf(method, settings), options)
  const found = await explainer.explain(inputs)
  explainer.destroy()
  return found
}

export const maps = (found: readonly Attribution[]) => found.map(({ relevance }) => relevance)
/** Maps end to end. */
export const joined = (found: readonly Attribution[]) => Float32Array.from(maps(found).flatMap((map) => [...map]))

/** Distance between maps, laid end to end, as a share of the size of what was expected (Euclidean norms). */
export function relativeL2(found: readonly Float32Array[], expected: ArrayLike<number>): number {
  let [distance, size, i] = [0, 0, 0]
  for (const map of found) {
    for (const value of map) {
      const wanted = expected[i++]!
      distance += (value - wanted) ** 2
      size += wanted ** 2
    }
  }
  if (i !== expected.length) throw new Error(`${i} values, expected ${expected.length}`)
  return size === 0 ? Math.sqrt(distance) : Math.sqrt(distance / size)
}
