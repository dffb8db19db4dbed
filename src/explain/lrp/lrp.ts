/** Layer-wise relevance propagation: one walk back over the graph with the rule book of a composite. */
import { backward, reachable } from '../../engine/backward.ts'
import { multiply } from '../../engine/ops/elementwise.ts'
import { sum } from '../../engine/ops/reduce.ts'
import type { Tensor } from '../../engine/tensor.ts'
import { InputError } from '../../io/errors.ts'
import type { BuiltNetwork } from '../../model/build.ts'
import { numberWithin, oneOf, type Reader, readBoolean } from '../../model/formats/read-json.ts'
import { makeGraphExplainer, type Walk } from '../graph-explainer.ts'
import type { Method } from '../method.ts'
import { makeBook } from './book.ts'
import {
  type Composite,
  type CompositeName,
  composites,
  type Dialect,
  readComposite,
  readDialect,
} from './rule-spec.ts'

export interface LrpSettings {
  /** Which layer follows which rule: a name, or rules of the caller's. */
  composite: CompositeName | Composite
  /** Of Epsilon rules that name none; default: the composite's. */
  epsilon: number | undefined
  /** Range of a ZBox rule's input; default: the smallest and largest value that each channel of the input has. */
  low: number | undefined
  high: number | undefined
  /** Relevance that the walk begins with: the class's logit, or one. */
  start: 'logit' | 'one'
  /** Default: the composite's. */
  dialect: Dialect | undefined
  /** What becomes of batch norms that do not follow a linear layer (see BookOptions). iNNvestigate merges none. */
  batchNorm: 'merge' | 'pass'
  /** Facts `sum:<layer>`: the relevance at the output of every layer. */
  conservation: boolean
}

/** The value, or undefined where it is absent. */
const maybe =
  <V>(read: Reader<V>): Reader<V | undefined> =>
  (value, what) =>
    value === undefined ? undefined : read(value, what)

const inFloat32 = numberWithin(-3e38, 3e38)

/** LRP (Bach et al. 2015) with zennit's rules and composites, or iNNvestigate's. */
export const lrp: Method<LrpSettings> = {
  name: 'lrp',
  title: 'Layer-wise relevance propagation',
  source: 'Bach et al. 2015; zennit 0.5; iNNvestigate 1.0',
  signed: true,
  main: 'composite',
  settings: {
    composite: {
      default: 'epsilonPlus',
      text: `rules of the layers: ${Object.keys(composites).join(', ')}, or JSON`,
      read: (value, what) => readComposite(value, what),
    },
    epsilon: {
      default: undefined,
      text: 'stabiliser of Epsilon rules; default: the composite’s',
      read: maybe(numberWithin(0, 1e6)),
    },
    low: { default: undefined, text: 'lowest input of a ZBox rule; default: of each channel', read: maybe(inFloat32) },
    high: {
      default: undefined,
      text: 'highest input of a ZBox rule; default: of each channel',
      read: maybe(inFloat32),
    },
    start: { default: 'logit', text: 'relevance to begin with: logit or one', read: oneOf('logit', 'one') },
    dialect: {
      default: undefined,
      text: 'zennit or innvestigate; default: the composite’s',
      read: maybe(readDialect),
    },
    batchNorm: {
      default: 'merge',
      text: 'batch norms without a linear layer before: merge or pass',
      read: oneOf('merge', 'pass'),
    },
    conservation: { default: false, text: 'also sum the relevance at every layer', read: readBoolean },
  },
  make(gpu, network, settings, options = {}) {
    const composite = completed(settings)
    const { layers } = network.description
    return makeGraphExplainer(gpu, network, options, (built, seed) => {
      const { logits, input } = built
      const book = makeBook(built, layers, { composite, batchNorm: settings.batchNorm, software: gpu.software })
      const start = settings.start === 'logit' ? multiply(logits, seed) : seed
      if (!settings.conservation) {
        const [relevance] = backward(logits, [input], { rules: book, seed: start })
        return { relevance: relevance! }
      }
      return withSums(built, (wanted) => backward(logits, wanted, { rules: book, seed: start }))
    })
  },
}

/** Relevance of the input, and the sum of what arrives at every layer that the walk visits. */
function withSums({ input, logits, layers }: BuiltNetwork, walk: (wanted: Tensor[]) => Tensor[]): Walk {
  const visited = new Set(reachable([logits]).flatMap((node) => node.outputs))
  const outputs = [...layers].filter(([, t]) => visited.has(t))
  const [relevance, ...others] = walk([input, ...outputs.map(([, t]) => t)])
  const total = (t: Tensor) =>
    sum(
      t,
      t.shape.slice(1).map((_, k) => k + 1),
    )
  const sums = [
    ['input', total(relevance!)] as const,
    ...outputs.map(([name], k) => [name, total(others[k]!)] as const),
  ]
  return { relevance: relevance!, facts: Object.fromEntries(sums.map(([name, t]) => [`sum:${name}`, t])) }
}

/** The composite with the settings that concern its rules. @throws InputError for low above high */
function completed({ composite, epsilon, low, high, dialect }: LrpSettings): Composite {
  if (low !== undefined && high !== undefined && low > high)
    throw new InputError(`low ${low} is larger than high ${high}`)
  const chosen: Composite = typeof composite === 'string' ? composites[composite] : composite
  const rules = chosen.rules.map((entry) => (entry.rule === 'zBox' ? { low, high, ...entry } : entry))
  return { ...chosen, rules, epsilon: epsilon ?? chosen.epsilon, dialect: dialect ?? chosen.dialect }
}
