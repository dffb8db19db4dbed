/** training.tsv: the history of a training as a table. */
import { formatTsv } from '../../io/tsv.ts'
import type { EpochReport } from './train-progress.ts'

const COLUMNS = ['epoch', 'loss', 'validation_loss', 'balanced_accuracy', 'auc', 'learning_rate', 'chosen']

/** One row an epoch; without times, so that equal trainings have equal files. */
export function historyTable(history: readonly EpochReport[], best: EpochReport): string {
  const rows = history.map(({ epoch, loss, validationLoss, balancedAccuracy, auc, learningRate }) => ({
    epoch,
    loss,
    validation_loss: validationLoss,
    balanced_accuracy: balancedAccuracy,
    auc,
    learning_rate: learningRate,
    chosen: epoch === best.epoch ? 1 : 0,
  }))
  return formatTsv(COLUMNS, rows)
}
