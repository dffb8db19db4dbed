/** The table of a random search: one row a trial. */
import { formatTsv } from '../../io/tsv.ts'
import type { TrialOutcome } from './trial.ts'

const TRIAL_COLUMNS = [
  ...['trial', 'status', 'best', 'parameters', 'memory_mb', 'epochs', 'best_epoch'],
  ...['validation_loss', 'balanced_accuracy', 'auc'],
  ...['blocks', 'first_width', 'width_limit', 'convolutions', 'reduction', 'norm', 'slope', 'dropout', 'dense_layers'],
  ...['learning_rate', 'weight_decay', 'batch', 'reason'],
]

/** trials.tsv: what each trial drew and came to. */
export function trialsTable(outcomes: readonly TrialOutcome[], best: TrialOutcome | undefined): string {
  const rows = outcomes.map(({ trial, status, reason, choice, parameters, memory, epochs, best: report }) => ({
    trial,
    status,
    best: trial === best?.trial,
    parameters,
    memory_mb: memory === undefined ? undefined : Math.round(memory / 1e6),
    epochs,
    best_epoch: report?.epoch,
    validation_loss: report?.validationLoss,
    balanced_accuracy: report?.balancedAccuracy,
    auc: report?.auc,
    blocks: choice.blocks,
    first_width: choice.firstWidth,
    width_limit: choice.widthLimit,
    convolutions: choice.convolutions.join(','),
    reduction: choice.reduction,
    norm: choice.norm,
    slope: choice.slope,
    dropout: choice.dropout,
    dense_layers: choice.denseLayers,
    learning_rate: choice.learningRate,
    weight_decay: choice.weightDecay,
    batch: choice.batch,
    reason: reason?.replace(/\s+/g, ' '),
  }))
  return formatTsv(TRIAL_COLUMNS, rows)
}
