/** The PNG writer that compresses on another thread, against the reader of fast-png. */
import { decode } from 'fast-png'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { encodePngApart } from '../src/io/png.node.ts'
import { values } from './support/evaluate.ts'

const test = suite('png apart')

for (const [width, height] of [
  [1, 1],
  [7, 5],
  [64, 33],
] as const) {
  test(`${width} x ${height}: the pixels come back`, async () => {
    const noise = values(4 * width * height, width)
    const rgba = Uint8ClampedArray.from(noise, (v, n) => (n % 4 === 3 ? 255 : 128 + 127 * v))
    const bytes = await encodePngApart({ width, height, rgba: new Uint8Array(rgba) })
    const found = decode(bytes, { checkCrc: true })
    assert.equal([found.width, found.height, found.channels, found.depth], [width, height, 3, 8])
    assert.equal(
      [...found.data],
      [...rgba].filter((_, n) => n % 4 !== 3),
    )
  })
}

test.run()
