/** Networks as files: whatever format the bytes are in. */
import { InputError } from '../io/errors.ts'
import type { Network } from './description.ts'
import { importKeras, isHdf5 } from './keras.ts'
import { type LoadOptions, loadNamed, readOwn } from './own-format.ts'
import { isSafetensors } from './safetensors.ts'

export { type LoadOptions, saveNetwork } from './own-format.ts'

/** Whether the bytes contain a text (zip archives list their members' names as such). */
function contains(bytes: Uint8Array, text: string): boolean {
  const wanted = new TextEncoder().encode(text)
  for (let at = bytes.indexOf(wanted[0]!); at >= 0; at = bytes.indexOf(wanted[0]!, at + 1)) {
    if (wanted.every((byte, k) => bytes[at + k] === byte)) return true
  }
  return false
}

function startsWith(bytes: Uint8Array, ...start: number[]): boolean {
  return start.every((byte, k) => bytes[k] === byte)
}

/** What the bytes seem to be, for a useful refusal. */
function describeUnsupported(bytes: Uint8Array): string {
  if (bytes.length === 0) return 'it is empty'
  if (startsWith(bytes, 0x50, 0x4b)) {
    // The members' names are at both ends of an archive.
    const ends = [bytes.subarray(0, 65536), bytes.subarray(-65536)]
    if (ends.some((part) => contains(part, 'model.weights.h5'))) {
      return 'it is a Keras 3 archive (.keras); save the model as HDF5 instead: model.save("network.h5")'
    }
    if (ends.some((part) => contains(part, 'data.pkl'))) return 'it is a PyTorch checkpoint, which is not supported'
    return 'it is a zip archive, not a network'
  }
  if (startsWith(bytes, 0x80) && bytes[1]! <= 5)
    return 'it is a Python pickle (an old PyTorch checkpoint?), which is not supported'
  if (startsWith(bytes, 0x1f, 0x8b)) return 'it is gzip-compressed (a scan?); a network was expected'
  if (startsWith(bytes, 0x5c, 0x01, 0, 0) || startsWith(bytes, 0, 0, 0x01, 0x5c))
    return 'it is a NIfTI volume; a network was expected'
  if (startsWith(bytes, 0x08) && contains(bytes.subarray(0, 4096), 'onnx'))
    return 'it is an ONNX model, which is not supported'
  return 'its format is not known'
}

/**
 * A network from the bytes of a file: our own format, or Keras HDF5.
 * @throws InputError naming the file and what is wrong with it
 */
export function loadNetwork(bytes: Uint8Array, options: LoadOptions = {}): Network {
  return loadNamed(options, () => {
    if (isHdf5(bytes)) return importKeras(bytes)
    if (isSafetensors(bytes)) return readOwn(bytes)
    throw new InputError(`${describeUnsupported(bytes)}; supported: voxplain (.safetensors), Keras HDF5 (.h5, .hdf5)`)
  })
}
