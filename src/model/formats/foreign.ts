/** Networks of other frameworks that are one file: PyTorch checkpoints, foreign safetensors, Keras archives. */
import type { Network } from '../description.ts'
import { importKerasZip, isKerasZip } from './keras-zip.ts'
import { isOwn } from './own-format.ts'
import { isSafetensors, readSafetensors } from './safetensors.ts'
import { isTorchFile, readTorchFile } from './torch-file.ts'
import { networkFromState, type StateOptions } from './torch-network.ts'
import { plainNames, torchState } from './torch-state.ts'

/**
 * A network from bytes that are one of these formats, otherwise undefined.
 * @throws InputError when the format is known and the file is not usable
 */
export function importForeign(bytes: Uint8Array, options: StateOptions = {}): Network | undefined {
  // Before pickles: the length with which safetensors begin may look like the start of one.
  if (isSafetensors(bytes)) {
    return isOwn(bytes) ? undefined : networkFromState(plainNames(readSafetensors(bytes).tensors), options)
  }
  if (isKerasZip(bytes)) return importKerasZip(bytes)
  return isTorchFile(bytes) ? networkFromState(torchState(readTorchFile(bytes)), options) : undefined
}
