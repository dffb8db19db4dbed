/** Forward passes of a ResNet and a DenseNet in float64, one scan, running statistics: written from the papers' figures. */
import { convForward } from './conv.ts'
import { avgPoolReference, maxPoolReference } from './pool.ts'

/** Values and their [C, D, H, W]. */
interface Volume {
  readonly x: Float64Array
  readonly shape: readonly number[]
}

export type WeightsByName = (name: string) => { readonly shape: readonly number[]; readonly data: ArrayLike<number> }

const half = (n: number) => Math.ceil(n / 2)
const inner = (shape: readonly number[]) => shape.slice(1).reduce((a, b) => a * b, 1)

function conv({ x, shape }: Volume, w: WeightsByName, name: string, stride = 1): Volume {
  const { shape: kernel, data } = w(`${name}.weight`)
  const margin = (kernel[2]! - 1) / 2
  const all = (n: number) => [n, n, n]
  const geometry = {
    kernel: kernel.slice(2),
    stride: all(stride),
    dilation: all(1),
    front: all(margin),
    back: all(margin),
  }
  const y = convForward(
    { n: 1, channels: shape[0]!, outputs: kernel[0]!, groups: 1, size: shape.slice(1), ...geometry },
    x,
    data,
  )
  return { x: y, shape: [kernel[0]!, ...shape.slice(1).map((n) => (stride === 2 ? half(n) : n))] }
}

function norm({ x, shape }: Volume, w: WeightsByName, name: string): Volume {
  const [g, b, mean, variance] = ['weight', 'bias', 'running_mean', 'running_var'].map((k) => w(`${name}.${k}`).data)
  const y = x.map((v, i) => {
    const c = Math.floor(i / inner(shape))
    return ((v - mean![c]!) / Math.sqrt(variance![c]! + 1e-5)) * g![c]! + b![c]!
  })
  return { x: y, shape }
}

const relu = ({ x, shape }: Volume): Volume => ({ x: x.map((v) => Math.max(v, 0)), shape })

const pooling = { kernel: [2, 2, 2], stride: [2, 2, 2], dilation: [1, 1, 1], front: [0, 0, 0], back: [0, 0, 0] }

function maxPool({ x, shape }: Volume): Volume {
  const front = shape.slice(1).map((n) => n % 2)
  const { y } = maxPoolReference(x, [1, ...shape], { ...pooling, front, ceilMode: false, zeros: true })
  return { x: y, shape: [shape[0]!, ...shape.slice(1).map(half)] }
}

function classify({ x, shape }: Volume, w: WeightsByName): number[] {
  const size = inner(shape)
  const means = Array.from(
    { length: shape[0]! },
    (_, c) => x.slice(c * size, (c + 1) * size).reduce((a, b) => a + b, 0) / size,
  )
  const { shape: sizes, data } = w('output.weight')
  return Array.from({ length: sizes[0]! }, (_, k) =>
    means.reduce((sum, v, c) => sum + v * data[k * means.length + c]!, w('output.bias').data[k]!),
  )
}

function join(parts: readonly Volume[]): Volume {
  const x = Float64Array.from(parts.flatMap((p) => Array.from(p.x)))
  return { x, shape: [parts.reduce((n, p) => n + p.shape[0]!, 0), ...parts[0]!.shape.slice(1)] }
}

const start = (input: Volume, w: WeightsByName) => maxPool(relu(norm(conv(input, w, 'conv1'), w, 'norm1')))

/** @param blocks of each stage */
export function resnetReference(
  input: Volume,
  w: WeightsByName,
  blocks: readonly number[],
  reduction: 'stride' | 'pool',
) {
  let v = start(input, w)
  blocks.forEach((count, s) => {
    if (s > 0 && reduction === 'pool') v = maxPool(v)
    for (let b = 1; b <= count; b++) {
      const name = `stage${s + 1}.${b}`
      const first = s > 0 && b === 1
      const stride = first && reduction === 'stride' ? 2 : 1
      const inside = relu(norm(conv(v, w, `${name}.conv1`, stride), w, `${name}.norm1`))
      const main = norm(conv(inside, w, `${name}.conv2`), w, `${name}.norm2`)
      const short = first ? norm(conv(v, w, `${name}.shortcut`, stride), w, `${name}.shortcut.norm`) : v
      v = relu({ x: main.x.map((value, i) => value + short.x[i]!), shape: main.shape })
    }
  })
  return classify(v, w)
}

/** @param layers of each dense block */
export function densenetReference(input: Volume, w: WeightsByName, layers: readonly number[]) {
  let v = start(input, w)
  layers.forEach((count, b) => {
    for (let k = 1; k <= count; k++) {
      const name = `block${b + 1}.${k}`
      v = join([v, conv(relu(norm(v, w, `${name}.norm`)), w, `${name}.conv`)])
    }
    const last = b === layers.length - 1
    const end = last ? 'end' : `transition${b + 1}`
    v = relu(norm(v, w, `${end}.norm`))
    if (last) return
    v = conv(v, w, `${end}.conv`)
    const x = avgPoolReference(v.x, [1, ...v.shape], { ...pooling, ceilMode: true, countIncludePad: true })
    v = { x, shape: [v.shape[0]!, ...v.shape.slice(1).map(half)] }
  })
  return classify(v, w)
}
