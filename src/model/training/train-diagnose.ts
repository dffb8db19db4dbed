/** Where numbers stopped being finite: in scans, in weights, or in a layer of the forward pass. */
import { compile } from '../../engine/compile.ts'
import { type Gpu, release } from '../../engine/gpu.ts'
import type { Tensor } from '../../engine/tensor.ts'
import { InputError } from '../../io/errors.ts'
import { networkParameters } from '../build.ts'
import type { Network } from '../description.ts'
import { nameOf, type Samples } from './train-data.ts'
import type { StepOptions } from './train-options.ts'
import { residentsOf, trainingNetwork } from './train-step.ts'

/** Ends a training whose loss is NaN or infinite. */
export class NonFiniteLossError extends InputError {
  override name = 'NonFiniteLossError'
  constructor(
    message: string,
    /** From 1. */
    readonly epoch: number,
    /** Of the epoch, from 1. */
    readonly step: number,
    /** Names of the scans of the batch, or of those among them that are not finite themselves. */
    readonly scans: readonly string[],
    /** The first layer whose weights or output are not finite; 'input' for the scans themselves, 'loss' for none of them. */
    readonly layer: string,
  ) {
    super(message)
  }
}

export interface Finding {
  readonly scans: readonly string[]
  readonly layer: string
  /** The finding as a sentence's end. */
  readonly text: string
}

const isFiniteArray = (values: Float32Array): boolean => values.every(Number.isFinite)

/**
 * The first layer with a weight that is not finite.
 * @param read of a program that holds the weights
 * @param running whether running statistics count; a training step does not use them, and spoils them before it halts
 */
export async function findInWeights(
  network: Network,
  read: (tensor: Tensor) => Promise<Float32Array>,
  running: boolean,
): Promise<Finding | undefined> {
  for (const [name, tensor] of networkParameters(network)) {
    if (!running && /\.running_(mean|var)$/.test(name)) continue
    if (isFiniteArray(await read(tensor))) continue
    const layer = name.slice(0, name.lastIndexOf('.'))
    return { scans: [], layer, text: `the weights of layer "${layer}" are no longer finite (${name})` }
  }
  return undefined
}

/** The scans among some that hold values which are not finite. */
export async function findInScans(samples: Samples, chosen: readonly number[]): Promise<Finding | undefined> {
  const scans: string[] = []
  for (const index of new Set(chosen)) {
    if (!isFiniteArray(await samples.load(index))) scans.push(nameOf(samples, index))
  }
  if (scans.length === 0) return undefined
  const text = `${scans.join(', ')} ${scans.length > 1 ? 'have' : 'has'} values that are not finite; correct or leave out`
  return { scans, layer: 'input', text }
}

/**
 * The first layer whose output is not finite for a batch: the forward pass of training, layer by layer, each read back.
 * @param values the scans of the batch. @param seed the training's, set to the step that drew the batch's dropout
 */
export async function findInLayers(
  gpu: Gpu,
  network: Network,
  values: Float32Array,
  { batch, seed, prepare }: { batch: number; seed: Tensor; prepare: StepOptions['prepare'] },
): Promise<Pick<Finding, 'layer' | 'text'> | undefined> {
  const { input, built } = trainingNetwork(network, batch, seed, prepare)
  const types = new Map(network.description.layers.map(({ name, type }) => [name, type]))
  const outputs = [...(prepare ? [['input', built.input] as const] : []), ...built.layers]
  const before = new Set(gpu.resident.keys())
  for (const [layer, output] of outputs) {
    const program = await compile(gpu, { output }, { tune: false })
    try {
      if (program.inputs.includes(input)) program.write(input, values)
      program.run()
      if (isFiniteArray(await program.read(output))) continue
    } finally {
      program.destroy()
      const own = residentsOf([{ effects: [], outputs: [output] }])
      release(
        gpu,
        [...own].filter((tensor) => !before.has(tensor)),
      )
    }
    if (layer === 'input') return { layer, text: 'what the scans are prepared to is not finite' }
    return { layer, text: `layer "${layer}" (${types.get(layer)}) gives values that are not finite` }
  }
  return undefined
}
