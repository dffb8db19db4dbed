/** Charts as PNG pictures (Node only). */
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { initWasm, Resvg } from '@resvg/resvg-wasm'
import { InputError } from '../errors.ts'

const require = createRequire(import.meta.url)
const FACES = ['latin-400', 'latin-700', 'greek-400', 'greek-700']

let ready: Promise<Uint8Array[]> | undefined

/** The renderer, and the faces of Arimo (as wide as Arial and Helvetica), so that a picture is the same on every machine. */
function prepare(): Promise<Uint8Array[]> {
  ready ??= (async () => {
    await initWasm(await readFile(require.resolve('@resvg/resvg-wasm/index_bg.wasm')))
    return Promise.all(
      FACES.map((face) => readFile(require.resolve(`@fontsource/arimo/files/arimo-${face}-normal.woff2`))),
    )
  })()
  return ready
}

/**
 * Draws an SVG picture. Text is set in Arimo whatever the picture asks for; Latin and Greek letters are there.
 * @param scale pixels a CSS pixel, 0.1 to 10. Default 3: a chart of one column prints at about 450 dots an inch
 * @returns the bytes of a PNG
 * @throws InputError for a scale out of range, or text that is not an SVG picture
 */
export async function svgToPng(svg: string, scale = 3): Promise<Uint8Array> {
  if (!(scale >= 0.1 && scale <= 10)) throw new InputError(`the picture's scale is ${scale}, need 0.1 to 10`)
  const fontBuffers = await prepare()
  const font = { loadSystemFonts: false, fontBuffers, defaultFontFamily: 'Arimo', sansSerifFamily: 'Arimo' }
  let picture: InstanceType<typeof Resvg>
  try {
    picture = new Resvg(svg, { fitTo: { mode: 'zoom', value: scale }, font })
  } catch (error) {
    throw new InputError(`this is not an SVG picture that can be drawn: ${error}`)
  }
  const image = picture.render()
  const png = image.asPng()
  image.free()
  picture.free()
  return png
}
