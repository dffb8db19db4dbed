/** A network with every kind of layer that ONNX has an operator for, with seeded weights. */
import { type Network, validateDescription, validateNetwork, weightShapes } from '../../src/model/description.ts'
import { values } from './evaluate.ts'

const margins = (front: number[], back: number[]) => ({ front, back })

const layers: Record<string, unknown>[] = [
  { name: 'pad', type: 'pad', ...margins([1, 0, 0], [0, 1, 0]), value: 0.25 },
  {
    name: 'conv',
    type: 'conv3d',
    channels: 4,
    kernel: [3, 2, 1],
    stride: 1,
    padding: margins([1, 0, 0], [0, 1, 0]),
    groups: 2,
  },
  { name: 'norm', type: 'batchNorm', momentum: 0.25 },
  { name: 'prelu', type: 'prelu', parameters: 4 },
  { name: 'max', type: 'maxPool3d', kernel: 2, stride: 2, padding: 1, padValue: 'zero', ceilMode: true },
  { name: 'instance', type: 'instanceNorm' },
  { name: 'leaky', type: 'leakyRelu', slope: 0.2 },
  {
    name: 'up',
    type: 'convTranspose3d',
    channels: 4,
    kernel: 3,
    stride: 2,
    padding: 1,
    outputPadding: [1, 0, 1],
    groups: 2,
  },
  { name: 'elu', type: 'elu', alpha: 0.7 },
  { name: 'scale', type: 'scale', factor: -1.5, offset: 0.3 },
  { name: 'double', type: 'scale', factor: 2 },
  { name: 'shift', type: 'scale', offset: -0.4 },
  { name: 'clamp', type: 'clamp', low: -2, high: 1.5 },
  { name: 'one', type: 'prelu' },
  { name: 'larger', type: 'resample3d', size: [7, 9, 8], mode: 'trilinear' },
  { name: 'nearest', type: 'resample3d', size: [5, 9, 10], mode: 'nearest' },
  { name: 'crop', type: 'crop', ...margins([0, 1, 0], [1, 0, 2]) },
  {
    name: 'average',
    type: 'avgPool3d',
    kernel: [2, 3, 2],
    stride: 2,
    padding: margins([0, 1, 0], [0, 1, 1]),
    countIncludePad: false,
  },
  {
    name: 'dilated',
    type: 'avgPool3d',
    kernel: 2,
    stride: 1,
    padding: margins([0, 1, 0], [1, 0, 0]),
    dilation: [1, 2, 1],
  },
  { name: 'corners', type: 'resample3d', size: [3, 4, 5], mode: 'trilinear', coordinates: 'align_corners' },
  {
    name: 'symmetric',
    type: 'resample3d',
    size: [4, 2, 5],
    mode: 'trilinear',
    coordinates: 'half_pixel_symmetric',
    scale: [1.4, 0.6, 0],
  },
  {
    name: 'rounded',
    type: 'resample3d',
    size: [3, 3, 4],
    mode: 'nearest',
    coordinates: 'half_pixel',
    rounding: 'ceil',
  },
  { name: 'mirror', type: 'gather', axis: 2, indices: [1, 0, 1, 2, 1] },
  { name: 'groups', type: 'groupNorm', groups: 2 },
  { name: 'layers', type: 'layerNorm', axes: 2 },
  { name: 'places', type: 'constant', shape: [4, 5, 1, 4] },
  { name: 'placed', type: 'add', inputs: ['layers', 'places'] },
  { name: 'soft', type: 'softplus' },
  { name: 'root', type: 'sqrt' },
  { name: 'size', type: 'abs', inputs: ['placed'] },
  { name: 'power', type: 'exp', inputs: ['placed'] },
  { name: 'more', type: 'add', inputs: ['size', 'power'] },
  { name: 'logarithm', type: 'log' },
  { name: 'above', type: 'step', inputs: ['placed'] },
  { name: 'ratio', type: 'divide', inputs: ['root', 'power'] },
  { name: 'all', type: 'add', inputs: ['logarithm', 'above', 'ratio'] },
  { name: 'turn', type: 'transpose', axes: [0, 1, 4, 2, 3] },
  { name: 'means', type: 'globalAvgPool' },
  { name: 'squeezed', type: 'dense', units: 4, bias: false },
  { name: 'gate', type: 'sigmoid' },
  { name: 'gates', type: 'reshape', shape: [4, 1, 1, 1] },
  { name: 'gated', type: 'multiply', inputs: ['turn', 'gates'] },
  { name: 'tanh', type: 'tanh' },
  { name: 'sum', type: 'add', inputs: ['turn', 'gated', 'tanh'] },
  { name: 'joined', type: 'concat', inputs: ['sum', 'tanh'], axis: 1 },
  { name: 'relu', type: 'relu' },
  { name: 'most', type: 'globalMaxPool' },
  { name: 'flat', type: 'flatten', inputs: ['joined'] },
  { name: 'both', type: 'concat', inputs: ['most', 'flat'] },
  { name: 'dropout', type: 'dropout', rate: 0.3 },
  { name: 'head', type: 'dense', units: 3 },
  { name: 'classes', type: 'softmax' },
]

export function onnxZoo(): Network {
  const json = {
    format: 'voxplain-network',
    version: 1,
    name: 'zoo',
    input: [2, 7, 8, 6],
    layers,
    output: 'probabilities',
  }
  const description = validateDescription(json)
  const weights = [...weightShapes(description)].map(([name, shape], k) => {
    const data = values(
      shape.reduce((a, b) => a * b, 1),
      k + 1,
    ).map((v) => (/running_var|norm\.weight/.test(name) ? 1.2 + v / 2 : v / 2))
    return [name, { shape, data }] as const
  })
  return validateNetwork(description, new Map(weights))
}
