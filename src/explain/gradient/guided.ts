/**
 * Guided backpropagation and deconvolution: rule books that let only positive values pass rectifiers on the way back.
 */
import { backward, type RuleBook } from '../../engine/backward.ts'
import { gradientRules } from '../../engine/gradients/index.ts'
import { relu } from '../../engine/ops/elementwise.ts'
import { maxPoolGradient, type PoolAttributes } from '../../engine/ops/pool.ts'
import type { Node, Tensor } from '../../engine/tensor.ts'
import { InputError } from '../../io/errors.ts'
import type { Network } from '../../model/description.ts'
import { oneOf } from '../../model/formats/read-json.ts'
import type { LayerType } from '../../model/layer.ts'
import { makeGraphExplainer } from '../graph-explainer.ts'
import type { Method, Settings } from '../method.ts'
import { withTap } from '../tap.ts'

export interface RectifierSettings {
  rectifiers: 'auto' | 'relu' | 'all'
}

/** Layers that rectify, and the operations they are built of. */
const RECTIFIERS: { readonly [T in LayerType]?: string } = {
  relu: 'relu',
  leakyRelu: 'leaky_relu',
  prelu: 'prelu',
  elu: 'elu',
}

export const rectifierSettings: Settings<RectifierSettings> = {
  rectifiers: {
    default: 'auto',
    text: 'where the rule applies: relu (as Captum), all (leakyRelu, prelu and elu too), auto (all where there is no relu)',
    read: oneOf('auto', 'relu', 'all'),
  },
}

export type Guidance = 'guided' | 'deconvolution'

/**
 * The rule book of either method for a network.
 * @throws InputError where the network has no such layer: then the map would be the plain gradient
 */
export function rectifierRules(network: Network, guidance: Guidance, { rectifiers }: RectifierSettings): RuleBook {
  const types = new Set(network.description.layers.map((layer) => layer.type))
  const onlyRelu = rectifiers === 'relu' || (rectifiers === 'auto' && types.has('relu'))
  const wanted = onlyRelu ? ['relu' as const] : (Object.keys(RECTIFIERS) as LayerType[])
  if (!wanted.some((type) => types.has(type))) {
    throw new InputError(
      `${guidance === 'guided' ? 'guided backpropagation' : 'deconvolution'} changes what passes ${wanted.join(', ')}, and the network "${network.description.name}" has none: its map would be that of saliency`,
    )
  }
  const operations = new Set(wanted.map((type) => RECTIFIERS[type]))
  const rule = guidance === 'guided' ? guided : reversed
  return (node) => (operations.has(node.operation.name) ? rule : undefined)
}

/** The gradient, where it is positive. */
function guided(node: Node, [dy]: readonly (Tensor | undefined)[], wanted: readonly boolean[]) {
  const [dx] = gradientRules[node.operation.name]!(node, [dy], [true, ...wanted.slice(1).map(() => false)])
  return [positive(dx!)]
}

/** What arrives, where it is positive, whatever the layer let through. */
function reversed(_: Node, [dy]: readonly (Tensor | undefined)[]) {
  return [positive(dy!)]
}

/** Positive values; those of a max-pool's gradient are taken at the pooled size, where no voxel wins twice. */
function positive(g: Tensor): Tensor {
  if (g.node?.operation.name !== 'max_pool3d_gradient') return relu(g)
  const { pool } = g.node.attributes as { pool: Node }
  const { kernel, stride, dilation } = pool.attributes as unknown as PoolAttributes
  const apart = kernel.every((size, axis) => (size - 1) * dilation[axis]! < stride[axis]!)
  return apart ? maxPoolGradient(pool, relu(g.node.inputs[0]!)) : relu(g)
}

/**
 * The network with its ReLUs kept before max-pools: the compiler would take the largest value first. That is the same, but not
 * the same winner where all of a window is rectified to zero, and deconvolution goes by that winner too.
 */
function keepRectified(network: Network): Network {
  const layers = new Map(network.description.layers.map((layer) => [layer.name, layer]))
  const sourceOf = (name: string): string => {
    const layer = layers.get(name)
    return layer?.type === 'dropout' ? sourceOf(layer.inputs[0]!) : name
  }
  const pools = network.description.layers.filter(({ type }) => type === 'maxPool3d' || type === 'globalMaxPool')
  const before = new Set(pools.map((pool) => sourceOf(pool.inputs[0]!)))
  return [...before]
    .filter((name) => layers.get(name)?.type === 'relu')
    .reduce((n, name) => withTap(n, name).network, network)
}

function method(name: string, title: string, source: string, guidance: Guidance): Method<RectifierSettings> {
  return {
    name,
    title,
    source,
    signed: true,
    settings: rectifierSettings,
    main: 'rectifiers',
    async make(gpu, network, settings, options = {}) {
      const rules = rectifierRules(network, guidance, settings)
      const kept = guidance === 'deconvolution' ? keepRectified(network) : network
      return makeGraphExplainer(gpu, kept, options, ({ logits, input }, seed) => {
        const [relevance] = backward(logits, [input], { seed, rules })
        return { relevance: relevance! }
      })
    },
  }
}

/** Gradients of which only the positive part passes each rectifier. */
export const guidedBackprop = method(
  'guidedBackprop',
  'Guided backpropagation',
  'Springenberg et al. 2014; Captum GuidedBackprop',
  'guided',
)

/** The same without the rectifiers' own gradient. */
export const deconvolution = method(
  'deconvolution',
  'Deconvolution',
  'Zeiler and Fergus 2014; Captum Deconvolution',
  'deconvolution',
)
