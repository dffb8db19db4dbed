/**
 * Checkpoints: everything a training needs to go on as if it had never stopped, in one safetensors file. Random numbers
 * are functions of the seed and of counters, so where the training was is enough to know what comes next.
 */
import { InputError } from '../../io/errors.ts'
import type { Network, Weight } from '../description.ts'
import { readObject } from '../formats/read-json.ts'
import { readSafetensors, writeSafetensors } from '../formats/safetensors.ts'
import { nameOf, type Samples } from './train-data.ts'
import type { Settings, TrainOptions } from './train-options.ts'
import type { EpochReport } from './train-progress.ts'

/** What a training is: two with equal identities give the same bits (on one adapter). */
export type Identity = Readonly<Record<string, unknown>>

export interface Checkpoint {
  readonly identity: Identity
  /** Epochs that are over, validation included. */
  readonly epochs: number
  /** Steps done in the one after. */
  readonly step: number
  readonly history: readonly EpochReport[]
  /** Time spent so far. */
  readonly seconds: number
  /** What lives on the GPU, by name: weights, running statistics, moments, counters, losses of the epoch so far. */
  readonly state: ReadonlyMap<string, Weight>
  /** Networks kept because they were best by a metric, by their epoch. */
  readonly kept: ReadonlyMap<number, Network['weights']>
}

/** What the options, the network it starts from and the lists of scans make of a training. */
export function identify(network: Network, data: Samples, settings: Settings, options: TrainOptions): Identity {
  const { validation, about, prepare } = options
  const listed = (samples: Samples | undefined) => {
    if (!samples) return 'none'
    const lines = samples.labels.map((label, n) => `${nameOf(samples, n)}\t${label}`)
    return `${samples.count} (${digest(new TextEncoder().encode(lines.join('\n')))})`
  }
  const weights = [...network.weights].map(([name, { data: values }]) => {
    const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
    return `${name} ${digest(bytes)}`
  })
  const text = (value: unknown) => digest(new TextEncoder().encode(JSON.stringify(value)))
  return {
    network: text(network.description),
    'initial weights': text(weights),
    'training scans': listed(data),
    'validation scans': listed(validation),
    ...settings,
    // More epochs change nothing in those before, unless the learning rate is planned for a number of them.
    epochs: settings.schedule.kind === 'cosine' ? settings.epochs : 'any',
    prepare: prepare !== undefined,
    ...Object.fromEntries(Object.entries(about ?? {}).map(([key, value]) => [`about ${key}`, value])),
  }
}

/** 64 bits of bytes, as hexadecimal digits: two FNV-1a hashes. Finds accidents, not forgeries. */
function digest(bytes: Uint8Array): string {
  let a = 2166136261
  let b = 0x9e3779b9
  for (let k = 0; k < bytes.length; k++) {
    a = Math.imul(a ^ bytes[k]!, 16777619)
    b = Math.imul(b ^ bytes[k]!, 16777619)
    b ^= b >>> 15
  }
  return [a, b].map((half) => (half >>> 0).toString(16).padStart(8, '0')).join('')
}

/** The bytes of a checkpoint. */
export function writeCheckpoint({ state, kept, ...rest }: Checkpoint): Uint8Array {
  const tensors = new Map(state)
  for (const [epoch, weights] of kept) {
    for (const [name, weight] of weights) tensors.set(`epoch ${epoch} ${name}`, weight)
  }
  const metadata = { 'voxplain-training': JSON.stringify({ version: 1, ...rest }) }
  return writeSafetensors({ tensors, metadata })
}

/**
 * A checkpoint from its bytes.
 * @param identity of the training that is to go on
 * @throws InputError when the bytes are no checkpoint, or one of another training, saying what differs
 */
export function readCheckpoint(bytes: Uint8Array, identity: Identity): Checkpoint {
  const { tensors, metadata } = readSafetensors(bytes)
  const text = metadata['voxplain-training']
  if (text === undefined)
    throw new InputError('this is no checkpoint of a training: it has no "voxplain-training" in it')
  const json = parse(text)
  if (json.version !== 1)
    throw new InputError(`the checkpoint has version ${String(json.version)}, this reads version 1`)
  const before = readObject(json.identity, 'checkpoint identity')
  const changes = differences(before, identity)
  if (changes.length > 0) {
    throw new InputError(
      `the checkpoint is of another training: ${changes.join('; ')}; use the same data and options, or start anew`,
    )
  }
  const state = new Map<string, Weight>()
  const kept = new Map<number, Map<string, Weight>>()
  for (const [name, weight] of tensors) {
    const [, epoch, own] = /^epoch (\d+) (.*)$/.exec(name) ?? []
    if (own === undefined) state.set(name, weight)
    else kept.set(Number(epoch), (kept.get(Number(epoch)) ?? new Map<string, Weight>()).set(own, weight))
  }
  const { epochs, step, seconds } = json as unknown as Checkpoint
  // JSON has no NaN.
  const history = (json.history as EpochReport[]).map((entry) =>
    entry.auc === null ? { ...entry, auc: Number.NaN } : entry,
  )
  return { identity: before, epochs, step, seconds, history, state, kept }
}

function parse(text: string): Record<string, unknown> {
  try {
    return readObject(JSON.parse(text), 'checkpoint')
  } catch (error) {
    throw new InputError(`the checkpoint is damaged: ${(error as Error).message}`)
  }
}

function differences(before: Identity, now: Identity): string[] {
  return [...new Set([...Object.keys(before), ...Object.keys(now)])].flatMap((key) => {
    const [old, own] = [JSON.stringify(before[key]), JSON.stringify(now[key])]
    return old === own ? [] : [`${key} was ${old ?? 'not given'} and is ${own ?? 'not given'}`]
  })
}
