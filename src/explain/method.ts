/**
 * What every explanation method has in common: it is made for a network once, then turns inputs into relevance. A method is
 * a plain object, so that a table of them is all that a command line or a page needs (methods.ts).
 */
import type { Gpu } from '../engine/gpu.ts'
import type { MemoryReport } from '../engine/plan.ts'
import type { Precision } from '../engine/precision.ts'
import { InputError } from '../io/errors.ts'
import type { Network } from '../model/description.ts'
import type { Reader } from '../model/formats/read-json.ts'

/** A scan as a method sees it. */
export interface MethodInput {
  /** The network's input, [C, D, H, W], W fastest. */
  readonly tensor: Float32Array
  /** Class to explain, counted from 0. Default: the one that the network predicts for this input. */
  readonly target?: number
  /** The same before residualisation, where the network takes residuals; methods that change intensities change these. */
  readonly plain?: Float32Array
  /** Size of the input's voxels in mm along [D, H, W]; default 1. */
  readonly spacing?: readonly [number, number, number]
  /** Region of every voxel [D, H, W], 0 for none, for methods that work region by region. */
  readonly regions?: Uint16Array
}

/** What a method says about one input. */
export interface Attribution {
  /** Relevance of every value of the input, [C, D, H, W]. */
  readonly relevance: Float32Array
  /** The class it speaks for. */
  readonly target: number
  /** The network's answer for the input. */
  readonly logits: readonly number[]
  readonly probabilities: readonly number[]
  /** Numbers worth keeping about this map: what the relevance adds up to, steps taken, ... */
  readonly facts: Readonly<Record<string, number>>
}

export interface RunOptions {
  /** Called now and then with the share of the work that is done, 0 to 1. */
  readonly onProgress?: (share: number) => void
  /** Stops at the next step, by throwing the signal's reason. */
  readonly signal?: AbortSignal
}

/** A method made ready for one network: programs compiled, memory known. */
export interface Explainer {
  readonly memory: MemoryReport
  /** Inputs that the GPU works on at a time. */
  readonly batch: number
  /**
   * Explains inputs, any number of them; calls that overlap take turns.
   * @returns one attribution an input, in order
   * @throws InputError for an input that does not fit; GpuError when the GPU fails
   */
  explain(inputs: readonly MethodInput[], options?: RunOptions): Promise<Attribution[]>
  /** Frees the programs. The network's weights stay on the GPU: see the engine's release(). */
  destroy(): void
}

/** What all methods can be told. */
export interface MakeOptions {
  /** Inputs at a time, at most; default 1. */
  readonly batch?: number
  /** Refuse when the planned GPU memory exceeds this many bytes. */
  readonly memoryLimit?: number
  /** How large intermediate values are stored (see CompileOptions). Default 'f32'. */
  readonly precision?: Precision
  /** Of every random number a method draws; default 0. */
  readonly seed?: number
}

/** One thing that a method can be told, by name. */
export interface Setting<V> {
  readonly default: V
  /** What it is, in a few words, with its unit. */
  readonly text: string
  /** Checks and reads an untrusted value: JSON, numbers already parsed. @throws InputError */
  readonly read: Reader<V>
}

export type Settings<S> = { readonly [K in keyof S]: Setting<S[K]> }

export interface Method<S extends object = object> {
  /** The word of the command line, also in file names. */
  readonly name: string
  /** Its name in full, for tables and pictures. */
  readonly title: string
  /** The paper or reference implementation it follows. */
  readonly source: string
  /** Whether relevance has a sign: positive speaks for the class, negative against it. */
  readonly signed: boolean
  readonly settings: Settings<S>
  /** Name of the setting that a bare value is for: in `lrp:epsilonPlus` it is the composite. */
  readonly main?: keyof S & string
  /**
   * Compiles it for a network.
   * @throws InputError when the network is not of a kind that the method can explain, naming the layer; GpuError
   */
  make(gpu: Gpu, network: Network, settings: S, options?: MakeOptions): Promise<Explainer>
}

/** A method of which nobody needs to know the settings' types: one of a table. */
export type AnyMethod = Omit<Method, 'main'> & { readonly main?: string }

/** The defaults of a method's settings, with those that are given. */
export function settingsOf<S extends object>(method: Method<S>, given: Partial<S> = {}): S {
  const defaults = Object.entries<Setting<unknown>>(method.settings).map(([name, setting]) => [name, setting.default])
  return { ...(Object.fromEntries(defaults) as S), ...given }
}

/** A value of an input's size. @throws InputError naming the input that does not fit */
export function checkInputs(network: Network, inputs: readonly MethodInput[], classes: number): void {
  const size = network.description.input.reduce((a, b) => a * b, 1)
  inputs.forEach(({ tensor, target }, k) => {
    if (tensor.length !== size) {
      throw new InputError(
        `input ${k + 1} has ${tensor.length} values, but the network takes ${network.description.input.join(' x ')}`,
      )
    }
    if (target !== undefined && !(Number.isInteger(target) && target >= 0 && target < classes)) {
      throw new InputError(`input ${k + 1}: the target ${target} is not a class from 0 to ${classes - 1}`)
    }
  })
}
