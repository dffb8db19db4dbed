/**
 * Reading HDF5 groups, attributes and arrays, with every failure of the reader turned into an InputError.
 */
import { File, type Group } from 'jsfive'
import { InputError } from '../../io/errors.ts'
import type { Weight } from '../description.ts'

export interface Hdf5Group {
  readonly path: string
  /** The group inside this one, if there is one. */
  group(path: string): Hdf5Group | undefined
  /** Names of what is in it. */
  members(): string[]
  /** A text attribute, or undefined. */
  text(name: string): string | undefined
  /** A list-of-texts attribute, or undefined. Keras splits long ones into name0, name1, ... */
  texts(name: string): string[] | undefined
  /** A numeric array, as float32. @throws InputError when it is missing or not numeric */
  array(path: string): Weight
}

const SIGNATURE = [0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a]

export function isHdf5(bytes: Uint8Array): boolean {
  return SIGNATURE.every((byte, k) => bytes[k] === byte)
}

/** Length of the whole file by its own account. Offsets: HDF5 file format specification, II.A. */
function declaredLength(bytes: Uint8Array): number {
  const version = bytes[8]!
  if (version !== 0 && version !== 2 && version !== 3) {
    throw new InputError(
      `HDF5 superblock version ${version} is not supported; save the file with h5py's default settings`,
    )
  }
  const at = version === 0 ? 40 : 28
  if (bytes.length < at + 8) return at + 8
  return Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(at, true))
}

/** The reader throws texts, RangeErrors and more when a file is damaged: one InputError for all. */
function guarded<T>(what: string, read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (error instanceof InputError) throw error
    const reason = error instanceof Error ? error.message : String(error)
    throw new InputError(`${what} cannot be read (${reason}); the HDF5 file is damaged or uses an unsupported feature`)
  }
}

/** Texts of fixed length come padded with zero bytes. */
function unpad(text: unknown): string {
  return String(text).replace(/\0+$/, '')
}

/**
 * Opens the root group of an HDF5 file.
 * @throws InputError when the bytes are not HDF5, truncated or damaged
 */
export function openHdf5(bytes: Uint8Array): Hdf5Group {
  if (!isHdf5(bytes)) throw new InputError('it is not an HDF5 file')
  const length = declaredLength(bytes)
  if (length > bytes.length) {
    throw new InputError(`the HDF5 file is truncated: it should have ${length} bytes, but has ${bytes.length}`)
  }
  // A copy of its own: Node's Buffers (whose slice() does not copy) share one larger ArrayBuffer.
  const { buffer } = new Uint8Array(bytes)
  return guarded('the file', () => wrap(new File(buffer, ''), ''))
}

function wrap(group: Group, path: string): Hdf5Group {
  const label = path || 'the root group'
  const attribute = (name: string): unknown => {
    const attributes = guarded(`the attributes of ${label}`, () => group.attrs)
    return Object.hasOwn(attributes, name) ? attributes[name] : undefined
  }
  const texts = (name: string): string[] | undefined => {
    const value = attribute(name)
    return Array.isArray(value) ? value.map(unpad) : undefined
  }
  /** Looked up step by step, so that what is missing is told from what is damaged. */
  const find = (at: string): Group | ReturnType<Group['get']> | undefined =>
    guarded(`${label}/${at}`, () => {
      let found: ReturnType<Group['get']> = group
      for (const part of at.split('/')) {
        if (!found || !('keys' in found) || 'dtype' in found || !found.keys.includes(part)) return undefined
        found = found.get(part)
      }
      return found ?? undefined
    })
  return {
    path,
    members: () => guarded(label, () => [...group.keys]),
    group(at) {
      const found = find(at)
      return found && 'attrs' in found && !('dtype' in found)
        ? wrap(found as Group, path ? `${path}/${at}` : at)
        : undefined
    },
    text(name) {
      const value = attribute(name)
      const single = Array.isArray(value) && value.length === 1 ? value[0] : value
      return typeof single === 'string' ? unpad(single) : undefined
    },
    texts(name) {
      const whole = texts(name)
      if (whole) return whole
      const parts: string[] = []
      for (let k = 0; ; k++) {
        const part = texts(`${name}${k}`)
        if (!part) return k === 0 ? undefined : parts
        parts.push(...part)
      }
    },
    array(at) {
      const found = find(at)
      if (!found || !('dtype' in found)) throw new InputError(`the array "${at}" is missing from ${label}`)
      return guarded(`the array "${at}"`, () => {
        const values = found.value
        if (typeof found.dtype !== 'string' || !/^[<>|]?[fiu]/.test(found.dtype)) {
          throw new InputError(`the array "${at}" is not numeric`)
        }
        const data = Float32Array.from(values as ArrayLike<number>)
        const shape = found.shape ?? []
        if (shape.reduce((a, b) => a * b, 1) !== data.length) {
          throw new InputError(`the array "${at}" has ${data.length} values, which do not fill [${shape}]`)
        }
        return { shape, data }
      })
    },
  }
}
