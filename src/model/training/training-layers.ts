/** Layers that act in another way in training. */
import { batchNormTraining } from '../../engine/ops/batch-norm-training.ts'
import { dropout } from '../../engine/ops/dropout.ts'
import type { Tensor } from '../../engine/tensor.ts'
import type { TrainingLayers } from '../build.ts'

/** For buildNetwork's `training`: batch statistics and dropout. @param seed dropoutSeed(); advance it after backward */
export function trainingLayers(seed: Tensor): TrainingLayers {
  return { seed, batchNorm: batchNormTraining, dropout }
}
