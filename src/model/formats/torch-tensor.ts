/** Tensors of a PyTorch checkpoint: views of storages, and their values as float32. */
import { InputError } from '../../io/errors.ts'
import type { Weight } from '../description.ts'
import type { PickleFunction } from './pickle.ts'
import { show } from './read-json.ts'
import type { ElementName, ElementType, StorageType } from './torch-elements.ts'

/** A run of values that tensors look at. */
export interface TorchStorage {
  readonly kind: 'storage'
  readonly key: string
  readonly element: ElementName
  /** Values. */
  readonly count: number
}

export interface StorageData {
  readonly data: Uint8Array
  readonly littleEndian: boolean
}

export interface TorchTensor {
  readonly kind: 'tensor'
  readonly storage: TorchStorage
  /** Values before the first. */
  readonly offset: number
  readonly shape: readonly number[]
  /** Values from one to the next along each axis. */
  readonly stride: readonly number[]
}

const MOST_AXES = 32

/** Unpickled values are Maps, arrays and primitives besides; no file can make a plain object of its own. */
export function isTorchTensor(value: unknown): value is TorchTensor {
  return kindOf(value) === 'tensor'
}

function kindOf(value: unknown): unknown {
  return typeof value === 'object' && value !== null && !(value instanceof Map) && 'kind' in value
    ? value.kind
    : undefined
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

/** A storage from its persistent id: ('storage', type, key, location, count, ...). */
export function storageOf([, type, key, , count]: readonly unknown[]): TorchStorage {
  const element = typeof type === 'object' && type !== null ? (type as Partial<StorageType>).element : undefined
  if (element === undefined || !isCount(count) || (typeof key !== 'string' && typeof key !== 'number')) {
    throw new InputError('the checkpoint is damaged: a storage has no type, key or length')
  }
  return { kind: 'storage', key: String(key), element, count }
}

/** torch._utils._rebuild_tensor_v2(storage, offset, shape, stride, ...): checks that the view stays inside. */
export const rebuildTensor: PickleFunction = ([storage, offset, shape, stride]) => {
  if (kindOf(storage) !== 'storage' || !isCount(offset) || !isSizes(shape) || !isSizes(stride)) {
    throw new InputError('the checkpoint is damaged: a tensor has no storage, offset, shape or stride')
  }
  const { count, key } = storage as TorchStorage
  const size = shape.reduce((a, b) => a * b, 1)
  const last = shape.reduce((sum, n, k) => sum + (n - 1) * stride[k]!, offset)
  // Values that repeat (stride 0) would let a small file ask for a large array.
  if (stride.length !== shape.length || (size > 0 && last >= count) || size > count) {
    throw new InputError(
      `the checkpoint has a tensor [${shape}] with strides [${stride}] that its storage ${show(key)} of ${count} values cannot hold`,
    )
  }
  return { kind: 'tensor', storage, offset, shape, stride }
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.length <= MOST_AXES && value.every(isCount)
}

/** The values in row-major order. */
export function tensorValues(
  { shape, stride, offset }: TorchTensor,
  { data, littleEndian }: StorageData,
  { width, read }: ElementType,
): Weight {
  const view = new DataView(data.buffer, data.byteOffset, data.length)
  const values = new Float32Array(shape.reduce((a, b) => a * b, 1))
  const at = shape.map(() => 0)
  for (let k = 0, from = offset; k < values.length; k++) {
    values[k] = read(view, from * width, littleEndian)
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      from += stride[axis]!
      if (++at[axis]! < shape[axis]!) break
      from -= stride[axis]! * shape[axis]!
      at[axis] = 0
    }
  }
  return { shape, data: values }
}
