/**
 * The layers a network can have, as plain data. All axes are those of [N, C, D, H, W]; shapes here leave N out.
 */

/** One number for each of D, H, W. */
export type Triple = readonly [number, number, number]

/** Voxels added before and after each of D, H, W. */
export interface Margins {
  readonly front: Triple
  readonly back: Triple
}

/** What each type of layer needs to be told. Trained values are weights named `<layer>.weight`, `<layer>.bias`, ... */
export interface LayerAttributes {
  /** weight [channels, C / groups, kd, kh, kw], bias [channels]; zero padding. */
  conv3d: {
    channels: number
    kernel: Triple
    stride: Triple
    padding: Margins
    dilation: Triple
    groups: number
    bias: boolean
  }
  /** weight [C, channels / groups, kd, kh, kw], bias [channels]; `padding` is cut off the full result. */
  convTranspose3d: {
    channels: number
    kernel: Triple
    stride: Triple
    padding: Margins
    outputPadding: Triple
    dilation: Triple
    groups: number
    bias: boolean
  }
  /** weight [units, F], bias [units] on [F]. */
  dense: { units: number; bias: boolean }
  /** weight, bias, running_mean, running_var [C]; momentum is the share of the new batch (PyTorch's meaning). */
  batchNorm: { epsilon: number; momentum: number }
  /** weight, bias [C]. */
  instanceNorm: { epsilon: number }
  /** weight, bias [C]; neighbouring channels share a mean and a variance. */
  groupNorm: { groups: number; epsilon: number }
  /** weight, bias of the shape of the last `axes` axes, over which it normalises. */
  layerNorm: { axes: number; epsilon: number }
  relu: object
  leakyRelu: { slope: number }
  /** weight [parameters]: one for all, or one a channel. */
  prelu: { parameters: number }
  elu: { alpha: number }
  sigmoid: object
  tanh: object
  abs: object
  exp: object
  log: object
  sqrt: object
  /** 1 where x is positive, else 0; it has no gradient. */
  step: object
  /** log(1 + e^x). */
  softplus: object
  /** min(max(x, low), high). */
  clamp: { low: number; high: number }
  /** factor * x + offset. */
  scale: { factor: number; offset: number }
  /** Over the channel axis. */
  softmax: object
  logSoftmax: object
  /** Acts in training only. */
  dropout: { rate: number }
  /** ceilMode keeps the last, incomplete window (PyTorch's rule). */
  maxPool3d: {
    kernel: Triple
    stride: Triple
    padding: Margins
    dilation: Triple
    padValue: '-infinity' | 'zero'
    ceilMode: boolean
  }
  avgPool3d: {
    kernel: Triple
    stride: Triple
    padding: Margins
    dilation: Triple
    ceilMode: boolean
    countIncludePad: boolean
  }
  /** [C, D, H, W] -> [C]. */
  globalAvgPool: object
  globalMaxPool: object
  /** Sum of all inputs, broadcasting as numpy does. */
  add: object
  /** Product of all inputs, broadcasting. */
  multiply: object
  /** The first input by the second, broadcasting. */
  divide: object
  /** The same values for every sample, without inputs: weight [...shape]. */
  constant: { shape: readonly number[] }
  /** Joins along an axis of [N, C, D, H, W]; 1 is the channels. */
  concat: { axis: number }
  /** [C, D, H, W] -> [C * D * H * W]. */
  flatten: object
  /** To another shape (without N) of the same size. */
  reshape: { shape: readonly number[] }
  /** Output axis k is input axis axes[k]; axes[0] is 0, the batch. */
  transpose: { axes: readonly number[] }
  pad: Margins & { value: number }
  /** Cuts margins off. */
  crop: Margins
  /** Element k of an axis of [N, C, D, H, W] is element indices[k] of the input's. */
  gather: { axis: number; indices: readonly number[] }
  /**
   * To `size` voxels. Usual coordinates: nearest takes floor(i * in / out), trilinear aligns the edges of the volume (not the
   * centres of its corners). The others are ONNX's, and so is the rounding of nearest; `scale` 0 stands for size / input.
   */
  resample3d: {
    size: Triple
    mode: 'nearest' | 'trilinear'
    coordinates: 'usual' | 'half_pixel' | 'pytorch_half_pixel' | 'half_pixel_symmetric' | 'asymmetric' | 'align_corners'
    rounding: 'floor' | 'ceil' | 'round_prefer_floor' | 'round_prefer_ceil'
    scale: Triple
  }
  /** Standard deviation in voxels. */
  gaussianBlur: { sigma: number }
}

export type LayerType = keyof LayerAttributes

export type LayerOf<T extends LayerType> = LayerAttributes[T] & {
  readonly name: string
  readonly type: T
  /** Names of earlier layers, or 'input'. */
  readonly inputs: readonly string[]
}

/** A layer with every attribute present. */
export type Layer = { [T in LayerType]: LayerOf<T> }[LayerType]
