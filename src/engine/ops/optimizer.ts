/**
 * Optimizer steps as effects on parameters. All state lives on the GPU, so a loop of steps never waits for the host;
 * hyper-parameters are uniforms, changed between runs by `program.setUniforms(node, adamUniforms({...}))`.
 */
import { requireShape } from '../errors.ts'
import '../shaders-optim.gen.ts'
import {
  apply,
  type Constants,
  formatShape,
  parameter as makeParameter,
  type Node,
  type Operation,
  sizeOf,
  type Tensor,
} from '../tensor.ts'
import { linearGroups } from './launch.ts'
import { GROWTH_INTERVAL, type LossScale } from './loss-scale.ts'

/** One optimizer step: name `node` in compile's `effects`; save `state` in checkpoints to continue a training. */
export interface OptimizerStep {
  readonly node: Node
  /** Parameters: moments of this optimizer, and the counter's state last. */
  readonly state: readonly Tensor[]
}

/** Counts runs on the GPU; shared by the optimizer steps of one program. */
export interface StepCounter {
  /** The effect that counts. It runs once a run, before every step that uses the counter, without being named. */
  readonly node: Node
  /** Parameter [4] = [t, 1 - beta1^t, 1 - beta2^t, halted] after t runs; write zeros to start again. See watch(). */
  readonly state: Tensor
  /** The same values in this run, t counted from 1, and a factor of gradients, [5]: an operand of the steps. */
  readonly value: Tensor
  /** Runs so far, skipped steps included, as record() counts them: `value`, or [1] where the loss is scaled. */
  readonly runs: Tensor
  readonly beta1: number
  readonly beta2: number
}

export interface SgdOptions {
  readonly learningRate: number
  /** Default 0: no velocity is kept, and momentum cannot be switched on later. */
  readonly momentum?: number
  readonly nesterov?: boolean
  /** Default 0. */
  readonly weightDecay?: number
  /** Default 0. */
  readonly dampening?: number
  /** Default: one of its own. */
  readonly counter?: StepCounter
  /** The state of another program's step of this parameter, to go on with: the two then share it. */
  readonly state?: readonly Tensor[]
}

export interface AdamOptions {
  readonly learningRate: number
  /** Default 0.9. */
  readonly beta1?: number
  /** Default 0.999. */
  readonly beta2?: number
  /** Default 1e-8. */
  readonly epsilon?: number
  /** Default 0. */
  readonly weightDecay?: number
  /** True: weight decay acts on the parameter itself, not through the moments (AdamW). */
  readonly decoupled?: boolean
  readonly amsgrad?: boolean
  /** Default: one of its own. Give the steps of one program the same counter, made with the same betas. */
  readonly counter?: StepCounter
  /** The state of another program's step of this parameter, to go on with: the two then share it. */
  readonly state?: readonly Tensor[]
}

function requireBeta(name: string, value: number): void {
  requireShape(value >= 0 && value < 1, `${name} must be in [0, 1), got ${value}`)
}

/** Throws unless every option that is given is a finite number >= 0. */
function requireRates(name: string, options: object, keys: readonly string[]): void {
  for (const key of keys) {
    const value = (options as Record<string, unknown>)[key]
    requireShape(
      value === undefined || (typeof value === 'number' && Number.isFinite(value) && value >= 0),
      `${name}: ${key} must be a number of at least 0, got ${value}`,
    )
  }
}

function requirePair(name: string, parameter: Tensor, gradient: Tensor): void {
  requireShape(parameter.leaf !== undefined, `${name}: only a leaf can be changed in place; pass the parameter itself`)
  requireShape(parameter.dtype === 'f32', `${name}: the parameter must be f32, got ${parameter.dtype}`)
  requireShape(gradient !== parameter, `${name}: the gradient is the parameter itself`)
  requireShape(
    formatShape(gradient.shape) === formatShape(parameter.shape),
    `${name}: the gradient's shape ${formatShape(gradient.shape)} is not the parameter's ${formatShape(parameter.shape)}`,
  )
}

/** Natural logarithm of a decay rate; for 0 one whose powers vanish. */
const logOf = (beta: number): number => (beta === 0 ? -100 : Math.log(beta))

export interface CounterOptions {
  /** Default 0.9. */
  readonly beta1?: number
  /** Default 0.999. */
  readonly beta2?: number
  /** The state of another program's counter, to count on; default: one of its own. */
  readonly state?: Tensor
  /**
   * The loss is scaled: gradients are divided by the scale, and steps are skipped, and not counted, in runs where
   * `overflow` (one number) is above 0. Make the counter after what reads the scale, which it changes. See loss-scale.ts.
   */
  readonly scaling?: LossScale & { readonly overflow: Tensor; readonly interval?: number }
}

/** A step counter for Adam's bias correction (and SGD's first step). */
export function stepCounter({ beta1 = 0.9, beta2 = 0.999, state: given, scaling }: CounterOptions = {}): StepCounter {
  requireBeta('beta1', beta1)
  requireBeta('beta2', beta2)
  const state = given ?? makeParameter([4], undefined, 'step counter')
  const uniforms = { log_beta1: logOf(beta1), log_beta2: logOf(beta2) }
  const groups = [1, 1, 1] as const
  if (scaling) {
    const { scale, tally, overflow, interval = GROWTH_INTERVAL } = scaling
    const operation: Operation = {
      name: 'step_counter',
      effect: true,
      lower: ({ outputs: [y, runs] }) => {
        const bind = { state, scale, tally, overflow, y: y!, runs: runs! }
        return [{ kernel: 'optim/counter_scaled', constants: { INTERVAL: interval }, uniforms, bind, groups }]
      },
    }
    const node = apply(operation, [state, scale, tally, overflow], [{ shape: [5] }, { shape: [1] }])
    return { node, state, value: node.outputs[0]!, runs: node.outputs[1]!, beta1, beta2 }
  }
  const operation: Operation = {
    name: 'step_counter',
    effect: true,
    lower: ({ outputs }) => [{ kernel: 'optim/counter', uniforms, bind: { state, y: outputs[0]! }, groups }],
  }
  const node = apply(operation, [state], [{ shape: [5] }])
  return { node, state, value: node.outputs[0]!, runs: node.outputs[0]!, beta1, beta2 }
}

/**
 * The effect that halts a training: from the first run on in which `loss` is not a finite number, the optimizer steps of
 * this counter change nothing, so that the weights stay what they were before that run and can be looked at.
 * @param loss one element. @param state of a step counter; make the counter after this, so that it halts the same run
 */
export function watch(loss: Tensor, state: Tensor): Node {
  requireShape(sizeOf(loss.shape) === 1, `watch: the loss must be one number, got ${formatShape(loss.shape)}`)
  const operation: Operation = {
    name: 'watch',
    effect: true,
    lower: () => [{ kernel: 'optim/watch', bind: { loss, state }, groups: [1, 1, 1] }],
  }
  return apply(operation, [loss, state], [])
}

/**
 * Sums x over several runs in place: sum = x where `start` is 1, else sum + x.
 * @param sum a parameter of x's shape. @param start [1], 1 in the first of the runs
 */
export function accumulate(sum: Tensor, x: Tensor, start: Tensor): Node {
  requirePair('accumulate', sum, x)
  return step('accumulate', 'optim/accumulate', { parameter: sum, gradient: x, start })
}

/** An effect of one dispatch over all elements of a parameter. */
function step(
  name: string,
  kernel: string,
  operands: Readonly<Record<string, Tensor>> & { parameter: Tensor },
  uniforms: Readonly<Record<string, number>> = {},
  constants: Constants = {},
): Node {
  const count = sizeOf(operands.parameter.shape)
  const operation: Operation = {
    name,
    effect: true,
    lower: () => [
      { kernel, constants: { COUNT: count, ...constants }, uniforms, bind: operands, groups: linearGroups(count, 64) },
    ],
  }
  return apply(operation, Object.values(operands), [])
}

/** Uniforms of an SGD node for the options that are given, for Program.setUniforms. */
export function sgdUniforms(options: Partial<SgdOptions>): Record<string, number> {
  return given({
    learning_rate: options.learningRate,
    weight_decay: options.weightDecay,
    momentum: options.momentum,
    dampening: options.dampening,
  })
}

/** Uniforms of an Adam node for the options that are given, for Program.setUniforms. The betas belong to the counter too. */
export function adamUniforms(options: Partial<AdamOptions>): Record<string, number> {
  const { learningRate, weightDecay, beta1, beta2, epsilon } = options
  return given({
    learning_rate: learningRate,
    weight_decay: weightDecay,
    rate1: beta1 === undefined ? undefined : 1 - beta1,
    rate2: beta2 === undefined ? undefined : 1 - beta2,
    beta2,
    epsilon,
  })
}

function given(values: Readonly<Record<string, number | undefined>>): Record<string, number> {
  return Object.fromEntries(Object.entries(values).flatMap(([k, v]) => (v === undefined ? [] : [[k, v]])))
}

/**
 * Stochastic gradient descent, the formulas of torch.optim.SGD: weight decay joins the gradient; with momentum
 * velocity = momentum velocity + (1 - dampening) gradient (the gradient itself in the first step), and the parameter
 * moves by -learningRate velocity, or with Nesterov by -learningRate (gradient + momentum velocity).
 * @throws ShapeError for a parameter that is not a leaf, shapes that differ, or options out of range.
 */
export function sgd(parameter: Tensor, gradient: Tensor, options: SgdOptions): OptimizerStep {
  requirePair('sgd', parameter, gradient)
  requireRates('sgd', options, ['learningRate', 'momentum', 'weightDecay', 'dampening'])
  const { learningRate, momentum = 0, nesterov = false, weightDecay = 0, dampening = 0 } = options
  requireShape(
    !nesterov || (momentum > 0 && dampening === 0),
    `sgd: nesterov needs momentum above 0 and no dampening, got ${momentum} and ${dampening}`,
  )
  const counter = options.counter ?? stepCounter()
  if (momentum === 0) {
    const operands = { parameter, gradient, counter: counter.value }
    const node = step('sgd', 'optim/sgd', operands, sgdUniforms({ learningRate, weightDecay }))
    return { node, state: [counter.state] }
  }
  const velocity = options.state?.[0] ?? makeParameter(parameter.shape, undefined, 'velocity')
  const operands = { parameter, gradient, velocity, counter: counter.value }
  const uniforms = sgdUniforms({ learningRate, weightDecay, momentum, dampening })
  const node = step('sgd', 'optim/sgd_momentum', operands, uniforms, { NESTEROV: nesterov ? 1 : 0 })
  return { node, state: [velocity, counter.state] }
}

/**
 * Adam (Kingma and Ba 2015), AdamW with `decoupled` (Loshchilov and Hutter 2019) and AMSGrad (Reddi et al. 2018), the
 * formulas of torch.optim.Adam and AdamW: parameter -= learningRate / (1 - beta1^t) m / (sqrt(v / (1 - beta2^t)) + epsilon).
 * @throws ShapeError for a parameter that is not a leaf, shapes that differ, options out of range, or a counter of other betas.
 */
export function adam(parameter: Tensor, gradient: Tensor, options: AdamOptions): OptimizerStep {
  requirePair('adam', parameter, gradient)
  requireRates('adam', options, ['learningRate', 'epsilon', 'weightDecay'])
  const { learningRate, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weightDecay = 0, decoupled = false } = options
  const counter = options.counter ?? stepCounter({ beta1, beta2 })
  requireShape(
    counter.beta1 === beta1 && counter.beta2 === beta2,
    `adam: the counter was made for betas ${counter.beta1} and ${counter.beta2}, but the step has ${beta1} and ${beta2}`,
  )
  const known = options.state ?? []
  const first = known[0] ?? makeParameter(parameter.shape, undefined, 'first moment')
  const second = known[1] ?? makeParameter(parameter.shape, undefined, 'second moment')
  const operands = { parameter, gradient, first, second, counter: counter.value }
  const uniforms = adamUniforms({ learningRate, weightDecay, beta1, beta2, epsilon })
  const constants = { DECOUPLED: decoupled ? 1 : 0 }
  if (!options.amsgrad) {
    return { node: step('adam', 'optim/adam', operands, uniforms, constants), state: [first, second, counter.state] }
  }
  const largest = known[2] ?? makeParameter(parameter.shape, undefined, 'largest second moment')
  const node = step('adam', 'optim/adam_amsgrad', { ...operands, largest }, uniforms, constants)
  return { node, state: [first, second, largest, counter.state] }
}
