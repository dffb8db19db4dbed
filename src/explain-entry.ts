/**
 * The package's small entry, `voxplain/explain`: what a page needs to explain the decisions of a network on volumes that it
 * has already, e.g. from a viewer. Networks in our own format; no NIfTI, Keras, pictures or training.
 */
export { NoAdapterError } from './engine/adapter.ts'
export { GpuError, type GpuErrorKind, ShapeError } from './engine/errors.ts'
export { closeGpu, type Gpu, type OpenOptions, openGpu, release } from './engine/gpu.ts'
export type { MemoryReport } from './engine/plan.ts'
export { type Explanation, explainGroup, explainScan, explainScans } from './explain/explain.ts'
export {
  type Lambdas,
  type MaskInput,
  type MaskOptions,
  type MaskOutcome,
  type MaskResult,
  type MasksOptions,
  maskDefaults,
  optimiseMask,
  optimiseMasks,
  planMask,
  planMasks,
} from './explain/mask.ts'
export { classify, makePredictor, type Prediction, type Predictor, type PredictorOptions } from './explain/predict.ts'
export { InputError } from './io/errors.ts'
export type { Affine, Volume } from './io/volume.ts'
export { networkParameters } from './model/build.ts'
export { type Network, type NetworkDescription, validateDescription, withRecipe } from './model/description.ts'
export { type LoadOptions, loadOwnNetwork as loadNetwork } from './model/formats/own-format.ts'
export { applyRecipe, builtinRecipes, invertRecipe, type Recipe, readRecipe } from './model/recipe/recipe.ts'
