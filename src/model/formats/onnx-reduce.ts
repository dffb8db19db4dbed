/** Means, sums, extremes and norms over axes other than the batch's. */
import { InputError } from '../../io/errors.ts'
import type { LayerType } from '../layer.ts'
import { product, type Sizes } from '../layer-rules.ts'
import { type Call, type Graph, type Live, liveInput, sameSizes, shortList, sizesAxis } from './onnx-graph.ts'

type Convert = (call: Call, g: Graph) => Live

/** What a node reduces: the axes as indices of sizes; undefined where it leaves its input as it is. */
function reducedAxes(call: Call, x: Live): number[] | undefined {
  const axes = shortList(call, 1, 'axes')
  if (axes?.length) return [...new Set(axes.map((a) => sizesAxis(a, x)))].sort((a, b) => a - b)
  if (call.number('noop_with_empty_axes', 0)) return undefined
  throw new InputError('it reduces all axes, the batch with them; samples have to stay apart')
}

/** Mean or maximum over some axes, which stay with size 1. */
export function over(
  type: 'globalAvgPool' | 'globalMaxPool',
  x: Live,
  axes: readonly number[],
  name: string,
  g: Graph,
): Live {
  const kept = x.sizes.map((_, k) => k).filter((k) => !axes.includes(k))
  const order = [...kept, ...axes]
  const isLast = order.every((a, k) => a === k)
  const source = isLast ? x : g.add(`${name}_axes`, 'transpose', [x], { axes: [0, ...order.map((a) => a + 1)] })
  const rows: Sizes = [product(kept.map((k) => x.sizes[k]!)), 1, 1, product(axes.map((k) => x.sizes[k]!))]
  const y = g.add(name, type, [{ ...source, sizes: rows }])
  return { ...y, sizes: x.sizes.map((n, k) => (axes.includes(k) ? 1 : n)) }
}

const VIEWS: readonly LayerType[] = ['reshape', 'flatten']

/**
 * What was joined along the reduced axis with one element each, as torch.stack does, and as it was before; undefined where x
 * is no such stack. The sum of a stack is an addition, which methods of explanation have rules for.
 */
function stacked(x: Live, axes: readonly number[], g: Graph): Live[] | undefined {
  const layer = (name: string) => g.layers.find((l) => l.name === name)
  const joined = layer(x.layer)
  const [axis] = axes
  if (joined?.type !== 'concat' || axes.length > 1 || joined.axis !== axis! + 1) return undefined
  if (!sameSizes(g.sizesOf(x.layer), x.sizes) || joined.inputs.length !== x.sizes[axis!]) return undefined
  const live = (name: string): Live => ({ layer: name, sizes: g.sizesOf(name) })
  const before = joined.inputs.map((name) => {
    const own = layer(name)
    return live(own && VIEWS.includes(own.type) ? own.inputs[0]! : name)
  })
  return before.every(({ sizes }) => sameSizes(sizes, before[0]!.sizes)) ? before : joined.inputs.map(live)
}

interface Steps {
  readonly count: number
  add(part: string, type: Parameters<Graph['add']>[1], inputs: readonly Live[], attributes?: object): Live
  mean(x: Live): Live
  max(x: Live): Live
  sum(x: Live): Live
}

/** @param reduce makes the result with axes of size 1. @param each what becomes of x where no axis is reduced */
function reduction(reduce: (x: Live, s: Steps) => Live, each: (x: Live, s: Steps) => Live = (x) => x): Convert {
  return (call, g) => {
    const x = liveInput(call, 0)
    const axes = reducedAxes(call, x)
    const count = product((axes ?? []).map((a) => x.sizes[a]!))
    const add: Steps['add'] = (part, type, inputs, attributes = {}) =>
      g.add(`${call.name}_${part}`, type, inputs, { ...attributes })
    const mean = (v: Live) => over('globalAvgPool', v, axes!, call.name, g)
    const steps: Steps = {
      count,
      add,
      mean,
      max: (v) => over('globalMaxPool', v, axes!, call.name, g),
      sum(v) {
        const parts = stacked(v, axes!, g)
        if (!parts) return add('sum', 'scale', [mean(v)], { factor: count, offset: 0 })
        const y = parts.reduce((a, b) => add('sum', 'add', [a, b]))
        return { ...y, sizes: v.sizes.with(axes![0]!, 1) }
      },
    }
    if (!axes) return each(x, steps)
    const y = reduce(x, steps)
    const keep = call.number('keepdims', 1) === 1
    return { ...y, sizes: keep ? y.sizes : y.sizes.filter((_, k) => !axes.includes(k)) }
  }
}

const negative = (x: Live, part: string, s: Steps): Live => s.add(part, 'scale', [x], { factor: -1, offset: 0 })
const absolute = (x: Live, s: Steps): Live => s.add('abs', 'abs', [x])
const square = (x: Live, s: Steps): Live => s.add('square', 'multiply', [x, x])

export const reduceMean = reduction((x, s) => s.mean(x))
export const reduceMax = reduction((x, s) => s.max(x))
export const reduceSum = reduction((x, s) => s.sum(x))
export const reduceMin = reduction((x, s) => negative(s.max(negative(x, 'negative', s)), 'min', s))
export const reduceL1 = reduction((x, s) => s.sum(absolute(x, s)), absolute)
export const reduceL2 = reduction((x, s) => s.add('root', 'sqrt', [s.sum(square(x, s))]), absolute)
export const reduceSumSquare = reduction((x, s) => s.sum(square(x, s)), square)
export const reduceLogSum = reduction(
  (x, s) => s.add('log', 'log', [s.sum(x)]),
  (x, s) => s.add('log', 'log', [x]),
)

/** log sum e^x = m + log sum e^(x - m), m the largest, so that nothing overflows. */
export const reduceLogSumExp = reduction((x, s) => {
  const most = s.max(x)
  const below = s.add('below', 'add', [x, negative(most, 'negative', s)])
  const log = s.add('log', 'log', [s.sum(s.add('exp', 'exp', [below]))])
  return { ...s.add('result', 'add', [log, most]), sizes: most.sizes }
})
