/** The types of values that PyTorch stores. */
import { bfloatToNumber, halfToNumber } from './safetensors.ts'

export type ElementName = 'Float' | 'Double' | 'Half' | 'BFloat16' | 'Long' | 'Int' | 'Short' | 'Char' | 'Byte' | 'Bool'

export interface ElementType {
  /** Bytes. */
  readonly width: number
  read(view: DataView, at: number, littleEndian: boolean): number
}

/** How values of each type are stored. */
export const ELEMENTS: Readonly<Record<ElementName, ElementType>> = {
  Float: { width: 4, read: (v, at, le) => v.getFloat32(at, le) },
  Double: { width: 8, read: (v, at, le) => v.getFloat64(at, le) },
  Half: { width: 2, read: (v, at, le) => halfToNumber(v.getUint16(at, le)) },
  BFloat16: { width: 2, read: (v, at, le) => bfloatToNumber(v.getUint16(at, le)) },
  Long: { width: 8, read: (v, at, le) => Number(v.getBigInt64(at, le)) },
  Int: { width: 4, read: (v, at, le) => v.getInt32(at, le) },
  Short: { width: 2, read: (v, at, le) => v.getInt16(at, le) },
  Char: { width: 1, read: (v, at) => v.getInt8(at) },
  Byte: { width: 1, read: (v, at) => v.getUint8(at) },
  Bool: { width: 1, read: (v, at) => v.getUint8(at) },
}

/** The type of a storage, as the file names it. */
export interface StorageType {
  readonly element: ElementName
}
