/** What both entries of the package offer, in Node and on a page: the engine, explanations, volumes, networks, phantoms. */
export { adapterName, isSoftwareAdapter, NoAdapterError } from './engine/adapter.ts'
export { backward, type RuleBook } from './engine/backward.ts'
export { type Ceilings, measureCeilings } from './engine/ceilings.ts'
export { compile } from './engine/compile.ts'
export { type Cost, type CostRow, costTable, predict as predictCost, type Roofline, totalCost } from './engine/cost.ts'

import './engine/gradients/conv-weight.ts'

export { GpuError, type GpuErrorKind, ShapeError } from './engine/errors.ts'
export { closeGpu, type Gpu, type OpenOptions, openGpu, release } from './engine/gpu.ts'
export { batchNormTraining } from './engine/ops/batch-norm-training.ts'
export { gaussianBlur } from './engine/ops/blur.ts'
export { conv3d, convTranspose3d } from './engine/ops/conv.ts'
export { dense, matmul } from './engine/ops/dense.ts'
export { advance, dropout, dropoutSeed } from './engine/ops/dropout.ts'
export {
  absolute,
  add,
  affine,
  clamp,
  divide,
  elu,
  leakyRelu,
  multiply,
  prelu,
  relu,
  sigmoid,
  subtract,
  tanh,
} from './engine/ops/elementwise.ts'
export { crossEntropy } from './engine/ops/loss.ts'
export { batchNorm, instanceNorm } from './engine/ops/norm.ts'
export { adam, sgd, stepCounter } from './engine/ops/optimizer.ts'
export { avgPool3d, globalAvgPool, globalMaxPool, maxPool3d } from './engine/ops/pool.ts'
export { mean, sum } from './engine/ops/reduce.ts'
export { resample3d } from './engine/ops/resample.ts'
export { select } from './engine/ops/select.ts'
export { concat, flatten, flip, pad, reshape, slice, transpose } from './engine/ops/shape.ts'
export { logSoftmax, softmax } from './engine/ops/softmax.ts'
export { type CompileOptions, type MemoryReport, planProgram } from './engine/plan.ts'
export { closePlatform, requestGpuAdapter } from './engine/platform.ts'
export type { Program } from './engine/program.ts'
export { constant, input, parameter, type Shape, state, type Tensor } from './engine/tensor.ts'
export { type TuneOptions, type TuneReport, tune } from './engine/tune.ts'
export { type Explanation, explainGroup, explainScan, explainScans, prepareScan } from './explain/explain.ts'
export { type ExplainOptions, type Explanations, explain } from './explain/explain-method.ts'
export { type Judge, openJudge, type Verdict } from './explain/judge/judge.ts'
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
export type { AnyMethod, Attribution, Explainer, MakeOptions, Method, MethodInput } from './explain/method.ts'
export { type MethodChoice, methodByName, methods, parseMethods } from './explain/methods.ts'
export { type Cluster, type Clusters, findClusters } from './explain/postprocess/clusters.ts'
export { groupMean, groupMoments, oneSampleT, welchT } from './explain/postprocess/group.ts'
export { type PostprocessOptions, postprocess } from './explain/postprocess/postprocess.ts'
export { classify, makePredictor, type Prediction, type Predictor, type PredictorOptions } from './explain/predict.ts'
export { regionsOfInput } from './explain/regions/input-regions.ts'
export { type RegionRow, regionTable, topRegions } from './explain/regions/region-table.ts'
export { regionMeans, roiSimilarity, similarityMatrix } from './explain/regions/similarity.ts'
export { concordance } from './explain/study/agreement.ts'
export { diceAtCount, mapSimilarity } from './explain/study/map-similarity.ts'
export { type Atlas, atlasOnGrid, makeAtlas, type Region, regionAt } from './io/atlas/atlas.ts'
export { parseRegionNames, type RegionName } from './io/atlas/region-names.ts'
export { mergeSides } from './io/atlas/sides.ts'
export { InputError } from './io/errors.ts'
export { encodePng, type MontageOptions, montage } from './io/montage.ts'
export {
  countNonFinite,
  type NiftiVolume,
  type ReadOptions,
  readVolume,
  type WriteOptions,
  writeVolume,
} from './io/nifti.ts'
export { type Grid, resample, sameGrid } from './io/resample.ts'
export { type Affine, type Volume, voxelSize, voxelToWorld } from './io/volume.ts'
export {
  type ArchitectureOptions,
  architectureByName,
  architectures,
  initialise,
  networkFromJson,
} from './model/architectures.ts'
export { type BuiltNetwork, buildNetwork, networkParameters } from './model/build.ts'
export { type CrossvalOptions, crossValidate } from './model/crossval/crossval.ts'
export { type Network, type NetworkDescription, validateDescription, withRecipe } from './model/description.ts'
export { type ImportOptions, type LoadOptions, loadNetwork, saveNetwork } from './model/formats/format.ts'
export type { OnnxArray } from './model/formats/onnx.ts'
export { type OnnxResult, type RunOnnxOptions, readOnnxArray, runOnnx } from './model/formats/onnx-run.ts'
export {
  applyRecipe,
  builtinRecipes,
  inputShape,
  invertRecipe,
  plainRecipe,
  type Recipe,
  readRecipe,
} from './model/recipe/recipe.ts'
export { type PreparedInput, prepareInput } from './model/recipe/recipe-input.ts'
export type { ScanCovariates } from './model/recipe/residual.ts'
export { type SearchOptions, search } from './model/search/search.ts'
export { scoreVoxels } from './model/segmentation.ts'
export { summarise } from './model/summary.ts'
export {
  type EpochReport,
  inMemory,
  NonFiniteLossError,
  type Samples,
  type TrainOptions,
  type TrainResult,
  train,
} from './model/training/train.ts'
export { trainingLayers } from './model/training/training-layers.ts'
export { type PhantomCohort, type PhantomOptions, type PhantomSubject, phantomCohort } from './phantom/cohort.ts'
