/**
 * Files of torch.save: zip archives (PyTorch 1.6 and later) and the stream of pickles before that. What is in them is
 * data; see pickle.ts for what is refused. Formats: PyTorch, torch/serialization.py.
 */
import { InputError } from '../../io/errors.ts'
import { type PickleHooks, readPickle } from './pickle.ts'
import { show } from './read-json.ts'
import { ELEMENTS } from './torch-elements.ts'
import { torchGlobals } from './torch-globals.ts'
import { type StorageData, storageOf, type TorchStorage } from './torch-tensor.ts'
import { isZip, openZip, type Zip } from './zip.ts'

/** What a file held: nested Maps and arrays with tensors in them, and the bytes those tensors live in. */
export interface TorchFile {
  readonly value: unknown
  /** Bytes of a storage. @throws InputError when they are not there in full */
  storage(storage: TorchStorage): StorageData
  /** Values that tensors may take together: the file's length, so that tensors of shared storages cannot add up. */
  readonly budget: number
}

const MAGIC = 0x1950a86a20f9469cfc6cn
const PROTOCOL = 1001

/** Whether the bytes look like a file of torch.save: a zip archive with a data.pkl, or pickles. */
export function isTorchFile(bytes: Uint8Array): boolean {
  if (isTar(bytes)) return true
  // A protocol byte, then the magic number: LONG1 of ten bytes.
  if (bytes[0] === 0x80 && bytes[1]! <= 5) return true
  return isZip(bytes) && openZip(bytes).names.some((name) => /(^|\/)data\.pkl$/.test(name))
}

function isTar(bytes: Uint8Array): boolean {
  return bytes.length > 512 && new TextDecoder().decode(bytes.subarray(257, 262)) === 'ustar'
}

/**
 * Reads a .pt, .pth or .pth.tar file.
 * @throws InputError when it is damaged, of a kind that is not supported (said by name), or wants anything executed
 */
export function readTorchFile(bytes: Uint8Array): TorchFile {
  if (isTar(bytes)) {
    throw new InputError('it is a tar archive (of PyTorch before 0.1.10?); load it there and save the state_dict again')
  }
  return isZip(bytes) ? readArchive(bytes, openZip(bytes)) : readStream(bytes)
}

function hooksFor(persistent: (id: unknown[]) => unknown): PickleHooks {
  return {
    global: (name) => torchGlobals.get(name),
    persistent(id) {
      if (!Array.isArray(id) || id[0] !== 'storage') {
        throw new InputError(`the checkpoint refers to ${show(String(id).slice(0, 60))}, which is no storage`)
      }
      return persistent(id)
    },
  }
}

function readArchive(bytes: Uint8Array, zip: Zip): TorchFile {
  const pickled = zip.names.find((name) => /(^|\/)data\.pkl$/.test(name))
  if (pickled === undefined) throw new InputError('the zip archive has no data.pkl; it is no file of torch.save')
  const folder = pickled.slice(0, -'data.pkl'.length)
  if (zip.names.includes(`${folder}constants.pkl`)) {
    throw new InputError('it is a TorchScript program, not weights; save model.state_dict() with torch.save instead')
  }
  const order = zip.names.includes(`${folder}byteorder`)
    ? new TextDecoder().decode(zip.read(`${folder}byteorder`).subarray(0, 16)).trim()
    : 'little'
  if (order !== 'little' && order !== 'big') throw new InputError(`its byte order is ${show(order)}, not little or big`)
  const { value } = readPickle(
    zip.read(pickled),
    hooksFor((id) => storageOf(id)),
  )
  // Tensors share storages, which may be compressed.
  const stored = new Map<string, Uint8Array>()
  return {
    value,
    budget: bytes.length,
    storage: ({ key, element, count }) => {
      const data = stored.get(key) ?? zip.read(`${folder}data/${key}`)
      stored.set(key, data)
      const width = ELEMENTS[element]!.width
      if (data.length < count * width) {
        throw new InputError(
          `its storage ${show(key)} has ${data.length} bytes, but ${count} ${element} values are declared`,
        )
      }
      return { data, littleEndian: order === 'little' }
    },
  }
}

function readStream(bytes: Uint8Array): TorchFile {
  const nothing = hooksFor(() => {
    throw new InputError('the checkpoint is damaged: its head refers to a storage')
  })
  const magic = readPickle(bytes, nothing)
  if (magic.value !== MAGIC) {
    throw new InputError('it is a Python pickle, but no file of torch.save; save the state_dict with torch.save')
  }
  const protocol = readPickle(bytes, nothing, magic.end)
  if (protocol.value !== PROTOCOL) {
    throw new InputError(`its PyTorch protocol is ${show(String(protocol.value))}; ${PROTOCOL} is known`)
  }
  const system = readPickle(bytes, nothing, protocol.end)
  const storages = new Map<string, TorchStorage>()
  const { value, end } = readPickle(
    bytes,
    hooksFor((id) => {
      // Views into other storages were written by PyTorch 0.3 and before.
      if (id[5] !== null && id[5] !== undefined) throw new InputError('it has storage views of PyTorch before 0.4')
      const storage = storageOf(id)
      storages.set(storage.key, storage)
      return storage
    }),
    system.end,
  )
  const data = streamStorages(bytes, end, storages, nothing)
  return {
    value,
    budget: bytes.length,
    // The stream is little-endian whatever machine wrote it.
    storage: ({ key }) => ({ data: data.get(key)!, littleEndian: true }),
  }
}

/** After the object: the list of keys, then for each its count of values (8 bytes) and the values. */
function streamStorages(
  bytes: Uint8Array,
  start: number,
  storages: ReadonlyMap<string, TorchStorage>,
  hooks: PickleHooks,
): Map<string, Uint8Array> {
  const { value: keys, end } = readPickle(bytes, hooks, start)
  if (!Array.isArray(keys)) throw new InputError('the checkpoint is damaged: the list of its storages is missing')
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const data = new Map<string, Uint8Array>()
  let at = end
  for (const key of keys) {
    const storage = storages.get(String(key))
    if (!storage) throw new InputError(`the checkpoint is damaged: nothing uses its storage ${show(String(key))}`)
    const count = at + 8 <= bytes.length ? Number(view.getBigInt64(at, true)) : Number.NaN
    const length = count * ELEMENTS[storage.element]!.width
    if (count !== storage.count || at + 8 + length > bytes.length) {
      throw new InputError(`the checkpoint is truncated or damaged: its storage ${show(storage.key)} is not all there`)
    }
    data.set(storage.key, bytes.subarray(at + 8, at + 8 + length))
    at += 8 + length
  }
  const missing = [...storages.keys()].find((key) => !data.has(key))
  if (missing !== undefined) throw new InputError(`the checkpoint is damaged: its storage ${show(missing)} is missing`)
  return data
}
