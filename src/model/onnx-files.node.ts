/** Weights that an ONNX model keeps in other files beside it (Node only). */
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { ExternalData } from './formats/onnx-tensor.ts'

/**
 * Reads the files that the model at `path` names, each once. The importer asks only for relative names without "..".
 * Undefined for files that cannot be read, which the importer then names.
 */
export function externalBeside(path: string): ExternalData {
  const files = new Map<string, Uint8Array | undefined>()
  const read = (name: string) => {
    try {
      return new Uint8Array(readFileSync(join(dirname(path), name)))
    } catch {
      return undefined
    }
  }
  return (name) => {
    if (!files.has(name)) files.set(name, read(name))
    return files.get(name)
  }
}
