/**
 * A training step as a user of TensorFlow.js would write it: its operators, its gradients, its Adam. Its batch norm
 * refuses volumes, and broadcasting and padding five axes make invalid shaders, so both are done on fewer.
 */
import type * as Core from '@tensorflow/tfjs-core'
import type { Layer } from '../src/model/layer.ts'
import type { Peer, Side } from './peer-work.ts'
import { kernelOf, openLibrary, swapped, type TensorFlow, type Tf } from './tensorflow.ts'
import { SAME_LOSSES, TRAINING, type TrainWork, trainBatch, trainNetwork } from './train-work.ts'

export async function openTheirTraining(): Promise<Peer<TrainWork>> {
  const library = await openLibrary()
  return {
    name: library.name,
    version: library.tf.version_core,
    does: () => true,
    start: async (work) => [side(library, work)],
    // The library keeps its device; the process has to be ended.
    close() {},
  }
}

/** Activations between layers: [N, D, H, W, C], then [N, values]. */
type Step = (x: Core.Tensor) => Core.Tensor

function side({ tf, name, finish }: TensorFlow, work: TrainWork): Side {
  const network = trainNetwork(work)
  const variables: Core.Variable[] = []
  const initial: Core.Tensor[] = []
  const trained = (value: Core.Tensor): Core.Variable => {
    const variable = tf.variable(value)
    variables.push(variable)
    initial.push(value)
    return variable
  }
  const of = (layer: Layer, what: string) => network.weights.get(`${layer.name}.${what}`)!
  const steps = network.description.layers.flatMap((layer) => stepOf(tf, layer, (what) => of(layer, what), trained))
  const { scans, labels } = trainBatch(work)
  const x = tf.tensor(scans, [work.batch, ...work.size, 1])
  const wanted = tf.oneHot(tf.tensor1d(Int32Array.from(labels), 'int32'), 2)
  const lossOf = () => {
    const logits = steps.reduce((t, step) => step(t), x as Core.Tensor)
    return tf.losses.softmaxCrossEntropy(wanted, logits) as Core.Scalar
  }
  const { learningRate, beta1, beta2, epsilon } = TRAINING
  const adam = tf.train.adam(learningRate, beta1, beta2, epsilon)
  const step = () => tf.tidy(() => adam.minimize(lossOf, true, variables)!)
  return {
    name,
    tolerance: SAME_LOSSES,
    async run(times) {
      for (let k = 0; k < times; k++) step().dispose()
      await finish()
      return undefined
    },
    async read() {
      const losses: number[] = []
      for (let k = 0; k < TRAINING.steps; k++) {
        const loss = step()
        losses.push((await loss.data())[0]!)
        loss.dispose()
      }
      return { losses: Float32Array.from(losses) }
    },
    dispose() {
      adam.dispose()
      tf.dispose([...variables, ...initial, x, wanted])
    },
  }
}

type Weights = (what: string) => { readonly shape: readonly number[]; readonly data: Float32Array }

function stepOf(tf: Tf, layer: Layer, weights: Weights, trained: (value: Core.Tensor) => Core.Variable): Step[] {
  const vector = (what: string) => trained(tf.tensor1d(weights(what).data))
  /** On rows of channels, because five axes do not broadcast. */
  const onRows = (work: (rows: Core.Tensor) => Core.Tensor): Step => {
    return (x) => tf.reshape(work(tf.reshape(x, [-1, x.shape.at(-1)!])), x.shape)
  }
  switch (layer.type) {
    case 'conv3d': {
      const { shape, data } = weights('weight')
      const kernel = trained(kernelOf(tf, data, shape[1]!, shape[0]!))
      const bias = vector('bias')
      const add = onRows((rows) => tf.add(rows, bias))
      return [(x) => add(tf.conv3d(x as Core.Tensor5D, kernel as unknown as Core.Tensor5D, 1, 'same'))]
    }
    case 'batchNorm': {
      const [scale, shift] = [vector('weight'), vector('bias')]
      return [
        onRows((rows) => {
          const centred = tf.sub(rows, tf.mean(rows, 0))
          const deviation = tf.sqrt(tf.add(tf.mean(tf.square(centred), 0), layer.epsilon))
          return tf.add(tf.mul(tf.div(centred, deviation), scale), shift)
        }),
      ]
    }
    case 'relu':
      return [(x) => tf.relu(x)]
    case 'leakyRelu':
      // Its gradient is a `where`, which they do not have for five axes.
      return [onRows((rows) => tf.leakyRelu(rows, layer.slope))]
    case 'maxPool3d':
      return [(x) => tf.maxPool3d(padded(tf, x, layer.padding.front) as Core.Tensor5D, 2, 2, 'valid')]
    case 'flatten':
      // Ours has channels outermost.
      return [
        (x) => {
          const [n, channels] = [x.shape[0]!, x.shape.at(-1)!]
          return tf.reshape(tf.transpose(tf.reshape(x, [n, -1, channels]), [0, 2, 1]), [n, -1])
        },
      ]
    case 'dense': {
      const { shape, data } = weights('weight')
      const [to, from] = shape as [number, number]
      const matrix = trained(tf.tensor2d(swapped(data, to, from), [from, to]))
      const bias = vector('bias')
      return [(x) => tf.add(tf.matMul(x as Core.Tensor2D, matrix as unknown as Core.Tensor2D), bias)]
    }
    case 'dropout':
      return []
    default:
      throw new Error(`the comparison has no ${layer.type}`)
  }
}

/** Zeros in front of D, H and W of [N, D, H, W, C]. */
function padded(tf: Tf, x: Core.Tensor, front: readonly number[]): Core.Tensor {
  if (front.every((count) => count === 0)) return x
  const [n, d, h, w, c] = x.shape as [number, number, number, number, number]
  const [before, above, left] = front as [number, number, number]
  const planes = tf.pad(tf.reshape(x, [n * d, h, w, c]), [
    [0, 0],
    [above, 0],
    [left, 0],
    [0, 0],
  ])
  const size = [h + above, w + left, c]
  const rows = tf.reshape(planes, [n, d, (h + above) * (w + left) * c])
  return tf.reshape(
    tf.pad(rows, [
      [0, 0],
      [before, 0],
      [0, 0],
    ]),
    [n, d + before, ...size],
  )
}
