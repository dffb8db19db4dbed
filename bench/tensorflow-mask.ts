/**
 * Conv5_FC3 and a whole mask step as a user of TensorFlow.js would write them: its operators, its gradients, its Adam.
 * Its batch norm refuses volumes, and a frozen one is a scale and a shift; broadcasting and padding five axes make invalid
 * shaders, so both are done on fewer.
 */
import type * as Core from '@tensorflow/tfjs-core'
import type { Size } from './layers.ts'
import {
  benchNetwork,
  MASK,
  type PlainBlock,
  type PlainDense,
  plainNetwork,
  SAME,
  SAME_STEPS,
  type Side,
  scanOf,
} from './peer-work.ts'
import { kernelOf, swapped, type TensorFlow, type Tf } from './tensorflow.ts'

interface TheirNetwork {
  /** [1, D, H, W, 1] -> [1, classes] */
  logits(x: Core.Tensor5D): Core.Tensor2D
  dispose(): void
}

function networkOf(tf: Tf, size: Size): TheirNetwork {
  const { blocks, dense } = plainNetwork(benchNetwork(size))
  const held: Core.Tensor[] = []
  const hold = <T extends Core.Tensor>(t: T): T => {
    held.push(t)
    return t
  }
  const last = blocks.at(-1)!
  const voxels = dense[0]!.from / last.outputs
  const layers = [...blocks.map((b) => block(tf, b, hold)), ...dense.map((d, k) => full(tf, d, k, voxels, hold))]
  const flat = blocks.length
  return {
    logits(x) {
      let y: Core.Tensor = x
      for (const [k, layer] of layers.entries()) {
        if (k === flat) y = tf.reshape(y, [1, -1])
        else if (k > flat) y = tf.relu(y)
        y = layer(y)
      }
      return y as Core.Tensor2D
    },
    dispose() {
      tf.dispose(held)
    },
  }
}

type Hold = <T extends Core.Tensor>(t: T) => T
type TheirLayer = (x: Core.Tensor) => Core.Tensor

function block(tf: Tf, { inputs, outputs, size, front, ...values }: PlainBlock, hold: Hold): TheirLayer {
  const { weight, bias, scale, shift } = values
  const kernel = hold(kernelOf(tf, weight, inputs, outputs))
  // The convolution's bias joins the norm's shift.
  const factor = hold(tf.tensor(scale))
  const offset = hold(tf.tensor(shift.map((s, c) => s + scale[c]! * bias[c]!)))
  const margins = [...front, 0].map((n): [number, number] => [n, 0])
  return (x) => {
    const y = tf.reshape(tf.conv3d(x as Core.Tensor5D, kernel, 1, 'same'), [-1, outputs])
    const active = tf.reshape(tf.relu(tf.add(tf.mul(y, factor), offset)), [...size, outputs])
    const padded = front.some((n) => n > 0) ? tf.pad(active, margins) : active
    return tf.maxPool3d(tf.expandDims(padded) as Core.Tensor5D, 2, 2, 'valid')
  }
}

/** `at`: its place among the dense layers. The first one sees channels innermost, where ours are outermost. */
function full(tf: Tf, { from, to, weight, bias }: PlainDense, at: number, voxels: number, hold: Hold): TheirLayer {
  const ordered =
    at > 0
      ? weight
      : Float32Array.from(weight, (_, i) => {
          const input = i % from
          const channels = from / voxels
          return weight[i - input + (input % channels) * voxels + Math.floor(input / channels)]!
        })
  const matrix = hold(tf.tensor2d(swapped(ordered, to, from), [from, to]))
  const offset = hold(tf.tensor(bias))
  return (x) => tf.add(tf.matMul(x as Core.Tensor2D, matrix), offset)
}

export function networkSide({ tf, name, finish }: TensorFlow, size: Size): Side {
  const network = networkOf(tf, size)
  const x = tf.tensor(scanOf(size), [1, ...size, 1]) as Core.Tensor5D
  const forward = () => tf.tidy(() => network.logits(x))
  return {
    name,
    tolerance: SAME,
    async run(times) {
      for (let k = 0; k < times; k++) forward().dispose()
      await finish()
      return undefined
    },
    async read() {
      const y = forward()
      const logits = (await y.data()) as Float32Array
      y.dispose()
      return { logits }
    },
    dispose() {
      network.dispose()
      x.dispose()
    },
  }
}

export function maskSide({ tf, name, finish }: TensorFlow, size: Size): Side {
  const { lambda1, lambda2, slope, learningRate, target, steps } = MASK
  const network = networkOf(tf, size)
  const x = tf.tensor(scanOf(size), [...size])
  const ones = tf.onesLike(x)
  const mask = tf.variable(ones)
  // |v| with the gradient 0 at 0; theirs is -1 there, and a mask starts at 0.
  const absolute = tf.customGrad((v, save) => {
    const t = v as Core.Tensor
    ;(save as (tensors: Core.Tensor[]) => void)([t])
    return { value: tf.abs(t), gradFunc: (dy: Core.Tensor, [at]: Core.Tensor[]) => tf.mul(dy, tf.sign(at!)) }
  })
  /** Sum of |slope (difference of neighbours)|^3 along an axis. */
  const roughness = (m: Core.Tensor, axis: number) => {
    const start = [0, 0, 0]
    const length = [...m.shape]
    length[axis]! -= 1
    const next = start.map((_, a) => (a === axis ? 1 : 0))
    const ahead = tf.mul(tf.sub(tf.slice(m, next, length), tf.slice(m, start, length)), slope)
    return tf.sum(tf.mul(tf.square(ahead), absolute(ahead)))
  }
  const scoreOf = (m: Core.Tensor) => {
    const masked = tf.add(tf.mul(m, tf.sub(x, ones)), ones)
    const logits = network.logits(tf.reshape(masked, [1, ...size, 1]) as Core.Tensor5D)
    return tf.reshape(tf.slice(tf.softmax(logits), [0, target], [1, 1]), []) as Core.Scalar
  }
  const voxels = x.size
  const lossOf = (m: Core.Tensor, score: Core.Scalar) => {
    const area = tf.mul(tf.sum(absolute(tf.sub(1, m))), lambda1 / voxels)
    const rough = tf.mul(tf.addN([0, 1, 2].map((axis) => roughness(m, axis))), lambda2 / voxels)
    return tf.add(tf.add(score, area), rough) as Core.Scalar
  }
  const start = () => tf.train.adam(learningRate, 0.9, 0.999, 1e-8)
  let adam = start()
  const step = () =>
    tf.tidy(() => {
      adam.minimize(() => lossOf(mask, scoreOf(mask)), false, [mask])
      mask.assign(tf.clipByValue(mask, 0, 1))
    })
  return {
    name,
    tolerance: SAME_STEPS,
    async run(times) {
      for (let k = 0; k < times; k++) step()
      await finish()
      return undefined
    },
    async read() {
      adam.dispose()
      adam = start()
      mask.assign(ones)
      const scores: number[] = []
      for (let k = 0; k < steps; k++) {
        const score = tf.tidy(() => scoreOf(mask))
        scores.push((await score.data())[0]!)
        score.dispose()
        step()
      }
      const found = (await mask.data()) as Float32Array
      return { scores: Float32Array.from(scores), relevance: found.map((m) => 1 - m) }
    },
    dispose() {
      adam.dispose()
      network.dispose()
      tf.dispose([x, ones, mask])
    },
  }
}
