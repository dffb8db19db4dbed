/** What a command that trains says while it works, and how it is stopped. */
import type { Gpu } from '../engine/gpu.ts'
import { InputError } from '../io/errors.ts'
import type { Network } from '../model/description.ts'
import { summarise } from '../model/summary.ts'
import type { EpochReport } from '../model/training/train.ts'
import { largestBatch, planTraining } from '../model/training/train-memory.ts'
import { describeMemory } from './gpu.ts'
import { digits, type Reporter, type Terminal } from './terminal.ts'
import type { LoopOptions } from './training-options.ts'

export interface TrainingReport {
  /** An epoch is over. @param where which training, for people. @param about the same for machines */
  epoch(entry: EpochReport, where?: string, about?: Readonly<Record<string, unknown>>): void
  /** Epochs that are over without having been trained now: done before, or ended early. */
  skip(epochs: number): void
  /** With --json, a line of JSON on stderr; nothing without. */
  event(name: string, about: Readonly<Record<string, unknown>>): void
  /** Takes the bar away. */
  clear(): void
}

/** A bar on a terminal, else a line an epoch; with --json a line of JSON on stderr for each event. */
export function makeTrainingReport(terminal: Terminal, reporter: Reporter, epochs: number): TrainingReport {
  const bar = reporter.progress('training')
  const event: TrainingReport['event'] = (name, about) => {
    if (reporter.json) terminal.err(`${JSON.stringify({ event: name, ...about })}\n`)
  }
  let done = 0
  let total = epochs
  return {
    epoch(entry, where, about) {
      event('epoch', { ...about, ...entry })
      const text = `${where ? `${where}, ` : ''}${describeEpoch(entry)}`
      if (terminal.interactive) bar.update(++done, total, text)
      else reporter.note(`${text}, ${entry.scansPerSecond.toFixed(1)} scans/s`)
    },
    skip(count) {
      total -= count
    },
    event,
    clear: () => bar.clear(),
  }
}

export function describeEpoch({ epoch, loss, validationLoss, balancedAccuracy, auc }: EpochReport): string {
  const parts = [`epoch ${epoch}`, `loss ${loss.toFixed(4)}`]
  if (validationLoss !== undefined) parts.push(`validation loss ${validationLoss.toFixed(4)}`)
  if (balancedAccuracy !== undefined) parts.push(`balanced accuracy ${balancedAccuracy.toFixed(3)}`)
  if (auc !== undefined && !Number.isNaN(auc)) parts.push(`AUC ${auc.toFixed(3)}`)
  return parts.join(', ')
}

/**
 * Says how large the network and its training are, before any work.
 * @param scans of the training: no batch is larger
 * @throws InputError when it needs more than --memory, with the batch that would fit
 */
export function tellPlan(gpu: Gpu, network: Network, loop: LoopOptions, scans: number, reporter: Reporter) {
  const batch = Math.min(loop.batch ?? 8, scans)
  const { parameters, flops } = summarise(network)
  const plan = planTraining(gpu, network, loop, batch)
  const counts = `${parameters.toLocaleString('en')} parameters, ${amount(flops)} a scan`
  reporter.note(`${network.description.name}: ${counts}, input ${network.description.input.slice(1).join(' x ')}`)
  const limit = loop.memoryLimit
  if (limit !== undefined) {
    const most = largestBatch(gpu, network, loop, limit, scans)
    const said =
      most === 0
        ? 'not even batches of one scan fit'
        : most === scans
          ? 'all training scans fit in one batch'
          : `batches of up to ${most} fit`
    const text = `${said} in the ${gigabytes(limit)} of --memory`
    if (batch > most) {
      const advice =
        most === 0
          ? 'take a smaller network or input'
          : `use --batch ${most} (and --accumulate for steps of more scans than that)`
      throw new InputError(
        `training with batches of ${batch} needs ${gigabytes(plan.total)} of GPU memory; ${text}; ${advice}`,
      )
    }
    reporter.note(text)
  }
  reporter.note(`batches of ${batch}: ${describeMemory(plan)} on ${gpu.name}`)
  return { parameters, memory: plan.total }
}

function amount(flops: number): string {
  return flops < 1e9 ? `${digits(flops / 1e6)} MFLOP` : `${digits(flops / 1e9)} GFLOP`
}

function gigabytes(bytes: number): string {
  return bytes < 1e9 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(2)} GB`
}

/** A training that the user stopped. */
export class Stopped extends Error {
  override name = 'Stopped'
}

/**
 * Work that Ctrl-C (or a batch system's SIGTERM) ends after its step, with a checkpoint. The second one ends the process.
 * @returns undefined where it was stopped
 */
export async function stoppable<T>(
  reporter: Reporter,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T | undefined> {
  const control = new AbortController()
  const stop = () => {
    reporter.warn('stopping after this step; once more ends it at once')
    control.abort(new Stopped())
  }
  process.once('SIGINT', stop).once('SIGTERM', stop)
  try {
    return await work(control.signal)
  } catch (error) {
    if (!(error instanceof Stopped)) throw error
    return undefined
  } finally {
    process.off('SIGINT', stop).off('SIGTERM', stop)
  }
}
