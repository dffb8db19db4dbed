/** Networks as files: whatever format the bytes are in. */
import { InputError } from '../../io/errors.ts'
import type { Network } from '../description.ts'
import { importForeign } from './foreign.ts'
import { importKeras, isHdf5 } from './keras.ts'
import { importOnnx, isOnnx, type OnnxOptions } from './onnx.ts'
import { type LoadOptions, loadNamed, readOwn } from './own-format.ts'
import { isSafetensors } from './safetensors.ts'
import type { StateOptions } from './torch-network.ts'

export { type LoadOptions, saveNetwork } from './own-format.ts'

function startsWith(bytes: Uint8Array, ...start: number[]): boolean {
  return start.every((byte, k) => bytes[k] === byte)
}

/** What the bytes seem to be, for a useful refusal. */
function describeUnsupported(bytes: Uint8Array): string {
  if (bytes.length === 0) return 'it is empty'
  if (startsWith(bytes, 0x50, 0x4b)) return 'it is a zip archive, not a network'
  if (startsWith(bytes, 0x1f, 0x8b)) return 'it is gzip-compressed (a scan?); a network was expected'
  if (startsWith(bytes, 0x5c, 0x01, 0, 0) || startsWith(bytes, 0, 0, 0x01, 0x5c))
    return 'it is a NIfTI volume; a network was expected'
  return 'its format is not known'
}

/** What to do with a file, and what it does not say itself: state dicts of PyTorch hold no layers. */
export interface ImportOptions extends LoadOptions, StateOptions, OnnxOptions {}

/**
 * A network from the bytes of a file: our own format, PyTorch checkpoints, safetensors, Keras HDF5 and archives.
 * @throws InputError naming the file and what is wrong with it
 */
export function loadNetwork(bytes: Uint8Array, options: ImportOptions = {}): Network {
  return loadNamed(options, () => {
    if (isHdf5(bytes)) return importKeras(bytes)
    const foreign = importForeign(bytes, options)
    if (foreign) return foreign
    if (isSafetensors(bytes)) return readOwn(bytes)
    if (isOnnx(bytes)) return importOnnx(bytes, options)
    throw new InputError(
      `${describeUnsupported(bytes)}; supported: voxplain (.safetensors), Keras (.h5, .hdf5, .keras), PyTorch (.pt, .pth, .pth.tar, .safetensors), ONNX (.onnx)`,
    )
  })
}
