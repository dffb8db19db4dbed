/** Which epoch was best, and whether to stop: functions of the history alone, so that a resumed training decides the same. */

/** One line of the history. */
export interface EpochReport {
  /** From 1. */
  readonly epoch: number
  /** Mean of the training loss over the epoch's steps, dropout included. */
  readonly loss: number
  readonly validationLoss?: number
  readonly balancedAccuracy?: number
  /** Of the last class against the others. */
  readonly auc?: number
  /** Of the epoch's last step. */
  readonly learningRate: number
  /** Where gradients are stored as f16: what the loss is multiplied by on the way back, and steps skipped so far. */
  readonly lossScale?: number
  readonly skipped?: number
  /** Time since the training began, that before a resume included. */
  readonly seconds: number
  /** Share of the epoch's steps' time in which the GPU had nothing to do, for want of data. */
  readonly waited: number
  /** Training scans a second, validation and checkpoints not counted. */
  readonly scansPerSecond: number
}

/** What an epoch can be judged by: the (validation) loss, or balanced accuracy or AUC on the validation scans. */
export type Metric = 'loss' | 'balancedAccuracy' | 'auc'

export const METRICS: readonly Metric[] = ['loss', 'balancedAccuracy', 'auc']

/** What is lower in better epochs; NaN where it is not known. */
function costOf({ loss, validationLoss, balancedAccuracy, auc }: EpochReport, metric: Metric): number {
  if (metric === 'loss') return validationLoss ?? loss
  return -((metric === 'auc' ? auc : balancedAccuracy) ?? Number.NaN)
}

/** The best epoch by each metric that is known, the first of several. */
export function bestEpochs(history: readonly EpochReport[]): Partial<Record<Metric, EpochReport>> {
  const best: Partial<Record<Metric, EpochReport>> = {}
  for (const metric of METRICS) {
    for (const entry of history) {
      const cost = costOf(entry, metric)
      const before = best[metric]
      if (before ? cost < costOf(before, metric) : !Number.isNaN(cost)) best[metric] = entry
    }
  }
  return best
}

/** True when the last `patience` epochs were not better than the best before by more than `tolerance`. 0: never. */
export function isOver(
  history: readonly EpochReport[],
  { metric, patience, tolerance }: { metric: Metric; patience: number; tolerance: number },
): boolean {
  let best = Number.POSITIVE_INFINITY
  let since = 0
  for (const entry of history) {
    const cost = costOf(entry, metric)
    if (cost < best - tolerance) {
      best = cost
      since = 0
    } else since++
  }
  return patience > 0 && since >= patience
}
