/** PNG files, compressed on another thread, so that the caller's can go on meanwhile (Node only). */
import { promisify } from 'node:util'
import { deflate } from 'node:zlib'
import type { Picture } from './canvas.ts'
import { crc32 } from './gunzip.ts'

const SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])
/** Each row as its difference from the one above: slices are drawn larger than they are, so most of it is zero. */
const UP = 2

/** A PNG of an opaque picture, 8 bits a channel; see encodePng, which also keeps transparency. */
export async function encodePngApart({ width, height, rgba }: Picture): Promise<Uint8Array> {
  const row = 3 * width + 1
  const filtered = new Uint8Array(row * height)
  for (let y = 0; y < height; y++) {
    let to = y * row
    let from = 4 * y * width
    const above = 4 * width
    filtered[to++] = UP
    for (let x = 0; x < width; x++, from += 4) {
      for (let c = 0; c < 3; c++) filtered[to++] = rgba[from + c]! - (y > 0 ? rgba[from + c - above]! : 0)
    }
  }
  const header = Buffer.alloc(13)
  header.writeUInt32BE(width, 0)
  header.writeUInt32BE(height, 4)
  // 8 bits, RGB.
  header.set([8, 2, 0, 0, 0], 8)
  const data = await promisify(deflate)(filtered, { level: 6 })
  return Buffer.concat([SIGNATURE, chunk('IHDR', header), chunk('IDAT', data), chunk('IEND', Buffer.alloc(0))])
}

function chunk(type: string, data: Buffer): Buffer {
  const whole = Buffer.alloc(12 + data.length)
  whole.writeUInt32BE(data.length, 0)
  whole.write(type, 4, 'latin1')
  data.copy(whole, 8)
  whole.writeUInt32BE(crc32(whole.subarray(4, 8 + data.length)), 8 + data.length)
  return whole
}
