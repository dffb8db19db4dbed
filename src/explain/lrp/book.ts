/**
 * The rule book of LRP: how each node between a network's input and its logits passes relevance on. Linear layers follow
 * the composite; what is not linear passes relevance on unchanged (activations, as in zennit), to the winner (max-pools),
 * or in proportion to contributions (sums and averages, zennit's Norm).
 */
import type { RuleBook } from '../../engine/backward.ts'
import { gradientRules, type Rule } from '../../engine/gradients/index.ts'
import { applyPiece, fill, multiply, subtract } from '../../engine/ops/elementwise.ts'
import { maxPoolGradient } from '../../engine/ops/pool.ts'
import { apply, type Node, type Tensor } from '../../engine/tensor.ts'
import { InputError } from '../../io/errors.ts'
import type { BuiltNetwork } from '../../model/build.ts'
import type { Layer } from '../../model/layer.ts'
import { affineOf, canonise } from './canonical.ts'
import { LINEAR_OPERATIONS } from './linear.ts'
import { batchNormShare, ratio, type Stabiliser } from './operations.ts'
import { findPaths, type Paths } from './paths.ts'
import { assignRules, type Composite, LINEAR, type RuleSpec } from './rule-spec.ts'
import { linearRule, type RuleContext } from './rules.ts'

export interface BookOptions {
  readonly composite: Composite
  /**
   * Batch norms that no linear layer precedes: 'merge' into the linear layers that follow, or where there are none, in
   * proportion to what comes from x and from the shift; 'pass': unchanged, as zennit's composites do.
   */
  readonly batchNorm: 'merge' | 'pass'
  /** True on a CPU adapter (see RuleContext). */
  readonly software: boolean
}

const PASS = ['relu', 'leaky_relu', 'prelu', 'elu', 'sigmoid', 'tanh', 'clamp', 'softplus']
const MOVE = ['reshape', 'concat', 'slice', 'pad', 'transpose', 'flip', 'broadcast']
const AVERAGE = ['avg_pool3d', 'sum', 'band']

const pass: Rule = (_, [r]) => [r]

/**
 * Rules for a network that was built for inference.
 * @throws InputError naming the first layer that has none, or that the composite does not fit
 */
export function makeBook(built: BuiltNetwork, layers: readonly Layer[], options: BookOptions): RuleBook {
  const { composite } = options
  const { dialect, epsilon, stabilizer } = composite
  const stabiliser: Stabiliser = { epsilon: stabilizer, zeros: dialect === 'innvestigate' }
  const context: RuleContext = { epsilon, stabiliser, dialect, software: options.software }
  const paths = findPaths(built, layers)
  const specs = assignRules(composite, layers)
  const zennit = dialect === 'zennit'
  const canonical = canonise(paths, { before: zennit, after: zennit && options.batchNorm === 'merge' })
  const surroundings: Surroundings = {
    paths,
    stabiliser,
    options,
    merged: canonical.merged,
    atZeros: reachesZeros(specs, built, layers, options),
  }
  const rules = new Map<Node, Rule>()
  const named = new Map(layers.map((layer) => [layer.name, layer]))

  for (const node of paths.nodes) {
    const layer = paths.layerOf(node)
    const apart = !zennit && layer.type === 'batchNorm' ? batchNormApart(node, layer) : undefined
    const rule = apart ?? linear(node) ?? other(node, surroundings)
    if (!rule) throw refusal(layer, 'has no rule in LRP')
    rules.set(node, rule)
  }
  return (node) => rules.get(node)

  function linear(node: Node): Rule | undefined {
    const found = canonical.linear.get(node)
    if (!found) return undefined
    const layer = linearLayer(paths.layerOf(node), named)
    const spec = specs.get(layer.name)!
    if (spec.rule === 'pass' && `${found.x.shape}` !== `${found.z.shape}`) {
      throw refusal(layer, 'changes the shape, so the rule "pass" does not fit it')
    }
    return (_, [r]) => [linearRule(spec, found, r!, context), undefined]
  }

  /** iNNvestigate's batch norm, also where the graph has it inside the convolution before it. */
  function batchNormApart(node: Node, layer: Layer): Rule | undefined {
    const y = built.layers.get(layer.name)!
    const x = built.layers.get(layer.inputs[0]!) ?? built.input
    const parameter = (name: string) => built.parameters.get(`${layer.name}.${name}`)!
    if (node === y.node) return (_, [r]) => [batchNormShare(r!, x, y, parameter('running_mean'), parameter('bias'))]
    if (!LINEAR_OPERATIONS.includes(node.operation.name)) return pass
    const before = linearLayer(layer, named)
    const whole = findPaths({ ...built, logits: x }, layers)
    const own = [...canonise(whole, { before: false, after: false }).linear.values()].find(({ z }) => z === x)!
    return (_, [r]) => [linearRule(specs.get(before.name)!, own, r!, context), undefined]
  }
}

/** The linear layer that a node stands for: a batch norm may have been merged into the layer before it. */
function linearLayer(layer: Layer, named: ReadonlyMap<string, Layer>): Layer {
  let found = layer
  while (!LINEAR.includes(found.type)) found = named.get(found.inputs[0]!)!
  return found
}

const refusal = ({ name, type }: Layer, why: string) => new InputError(`layer "${name}" (${type}) ${why}`)

interface Surroundings {
  readonly paths: Paths
  readonly stabiliser: Stabiliser
  readonly options: BookOptions
  readonly merged: ReadonlySet<Node>
  /** See reachesZeros. */
  readonly atZeros: boolean
}

const NOT_BY_INPUT = ['flat', 'wSquare', 'zBox', 'pass']

/**
 * True where relevance can arrive at values that are zero: from rules that do not weigh by the input, beyond the first
 * layer. Only then does it matter which of a ReLU's zeros wins a max-pool.
 */
function reachesZeros(
  specs: ReadonlyMap<string, RuleSpec>,
  { layers: tensors, input }: BuiltNetwork,
  layers: readonly Layer[],
  { batchNorm }: BookOptions,
): boolean {
  const inside = layers.filter((l) => l.inputs.some((name) => name !== 'input' && tensors.get(name) !== input))
  return batchNorm === 'pass' || inside.some(({ name }) => NOT_BY_INPUT.includes(specs.get(name)?.rule ?? ''))
}

/**
 * The winner takes all; of equal values the first. A pool that the engine does before the activation it follows has another
 * winner among a ReLU's zeros. It does not where the activation is read twice, so a second pool is made where that matters.
 */
function winnerRule(atZeros: boolean): Rule {
  return (node, [r]) => {
    const { operation, inputs, outputs, attributes } = node
    return [maxPoolGradient(atZeros ? apply(operation, inputs, outputs, attributes) : node, r!)]
  }
}

/** Rules of nodes that are not linear layers; undefined where there is none. */
function other(node: Node, { paths, stabiliser, options, merged, atZeros }: Surroundings): Rule | undefined {
  const { name } = node.operation
  if (merged.has(node) || PASS.includes(name)) return pass
  if (name === 'max_pool3d') return winnerRule(atZeros)
  if (MOVE.includes(name)) return gradientRules[name]
  if (AVERAGE.includes(name)) return averageRule(stabiliser)
  if (name === 'add') return addRule(paths, stabiliser)
  if (name === 'normalise') return normaliseRule(stabiliser)
  const one = node.inputs.filter(paths.has).length === 1
  // A factor that does not depend on the input scales, and relevance does not mind.
  if (name === 'multiply' && one) return (_, [r]) => node.inputs.map((t) => (paths.has(t) ? r : undefined))
  if (name === 'divide' && one && paths.has(node.inputs[0]!)) return pass
  if (!affineOf(node)) return undefined
  if (options.batchNorm === 'pass') return pass
  const scales = (node.attributes as { OFFSET?: number }).OFFSET === 0
  return scales ? pass : (_, [r]) => [shareRule(node, r!, stabiliser)]
}

/** Relevance in proportion to what a linear node makes of x: x A'(R / s(y)). */
function averageRule(stabiliser: Stabiliser): Rule {
  return (node, [r], wanted) => {
    const [x] = node.inputs as [Tensor]
    const back = gradientRules[node.operation.name]!(node, [ratio(r!, node.outputs[0]!, stabiliser)], wanted)
    return [multiply(back[0]!, x)]
  }
}

/**
 * Each of the summands gets x R / s(sum). A layer that adds more than two is a chain of nodes: those inside pass R / s(sum)
 * on as it is.
 */
function addRule({ layerOf, readers }: Paths, stabiliser: Stabiliser): Rule {
  const isAdd = (node: Node | undefined): boolean => node?.operation.name === 'add'
  const inside = (node: Node): boolean => {
    const [next] = readers(node.outputs[0]!)
    return isAdd(next) && layerOf(next!) === layerOf(node)
  }
  return (node, [r]) => {
    const s = inside(node) ? r! : ratio(r!, node.outputs[0]!, stabiliser)
    return node.inputs.map((t) => (isAdd(t.node) && inside(t.node!) ? s : multiply(s, t)))
  }
}

/** Normalisation by a volume's own statistics, which count as constants: y = x scale + shift. */
function normaliseRule(stabiliser: Stabiliser): Rule {
  return (node, [r]) => {
    const [y] = node.outputs as [Tensor]
    const shift = applyPiece('normalise', node.operation.piece!(node), fill(y.shape, 0))
    return [multiply(ratio(r!, y, stabiliser), subtract(y, shift))]
  }
}

/** A scale and shift that merges with no linear layer: x scale R / s(y). */
function shareRule(node: Node, r: Tensor, stabiliser: Stabiliser): Tensor {
  const [y] = node.outputs as [Tensor]
  const [x] = node.inputs as [Tensor]
  return gradientRules[node.operation.name]!(node, [multiply(ratio(r, y, stabiliser), x)], [true, false, false])[0]!
}
