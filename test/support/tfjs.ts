/** TensorFlow.js layers models made of Keras HDF5 files, as tensorflowjs_converter lays them out. */
import { openHdf5 } from '../../src/model/formats/hdf5.ts'

type Type = 'float32' | 'float16' | 'uint8' | 'uint16'

interface ManifestWeight {
  name: string
  shape: readonly number[]
  dtype: string
  quantization?: { dtype: string; scale?: number; min?: number; original_dtype: string }
}

export interface TfjsModel {
  json: { format: string; modelTopology: unknown; weightsManifest: { paths: string[]; weights: ManifestWeight[] }[] }
  files: Map<string, Uint8Array>
}

/** @param type what the weights are stored as; other than float32 is the converter's quantisation */
export function tfjsOf(hdf5: Uint8Array, type: Type = 'float32'): TfjsModel {
  const root = openHdf5(hdf5)
  const group = root.group('model_weights') ?? root
  const weights: ManifestWeight[] = []
  const bytes: number[] = []
  for (const layer of group.texts('layer_names') ?? []) {
    const own = group.group(layer)!
    for (const name of own.texts('weight_names') ?? []) {
      const { shape, data } = own.array(name)
      const short = name.replace(/:0$/, '').split('/').at(-1)!
      const [stored, quantization] = store(data, type)
      weights.push({ name: `${layer}/${short}`, shape, dtype: 'float32', ...(quantization && { quantization }) })
      bytes.push(...stored)
    }
  }
  // Two files, cut where no value ends.
  const cut = Math.floor(bytes.length / 2) + 1
  const paths = ['group1-shard1of2.bin', 'group1-shard2of2.bin']
  const topology = { keras_version: '2', backend: 'tensorflow', model_config: JSON.parse(root.text('model_config')!) }
  return {
    json: { format: 'layers-model', modelTopology: topology, weightsManifest: [{ paths, weights }] },
    files: new Map([
      [paths[0]!, Uint8Array.from(bytes.slice(0, cut))],
      [paths[1]!, Uint8Array.from(bytes.slice(cut))],
    ]),
  }
}

function store(data: Float32Array, type: Type): [Uint8Array, ManifestWeight['quantization']?] {
  if (type === 'float32') return [new Uint8Array(data.slice().buffer)]
  if (type === 'float16') {
    const halves = Uint16Array.from(data, half)
    return [new Uint8Array(halves.buffer), { dtype: type, original_dtype: 'float32' }]
  }
  const min = Math.min(...data)
  const steps = type === 'uint8' ? 255 : 65535
  const scale = (Math.max(...data) - min) / steps || 1
  const numbers = Array.from(data, (v) => Math.round((v - min) / scale))
  const stored = type === 'uint8' ? Uint8Array.from(numbers) : new Uint8Array(Uint16Array.from(numbers).buffer)
  return [stored, { dtype: type, scale, min, original_dtype: 'float32' }]
}

/** Bits of the nearest binary16; only for normal numbers and zero. */
function half(value: number): number {
  const size = Math.abs(value)
  const sign = value < 0 ? 0x8000 : 0
  if (size < 2 ** -14) return sign | Math.round(size * 2 ** 24)
  const exponent = Math.floor(Math.log2(size))
  const fraction = Math.round((size / 2 ** exponent) * 1024)
  return sign | (((exponent + 15) << 10) + (fraction - 1024))
}
