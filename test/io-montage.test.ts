import { decode } from 'fast-png'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { drawText, makePicture, type Picture } from '../src/io/canvas.ts'
import { divergingColour, sequentialColour } from '../src/io/colourmap.ts'
import { InputError } from '../src/io/errors.ts'
import { glyphRows } from '../src/io/font.ts'
import { encodePng, montage } from '../src/io/montage.ts'
import { niceTicks, overlayOpacity, shortNumber } from '../src/io/montage-overlay.ts'
import { evenSlices, peakSlices, percentiles } from '../src/io/montage-slices.ts'
import type { Affine, Volume } from '../src/io/volume.ts'

const RAS = [4, 0, 0, -48, 0, 4, 0, -60, 0, 0, 4, -40, 0, 0, 0, 1]

/** An ellipsoid "brain" and a ball at a place in mm, on any grid. */
function brain(affine: Affine = RAS, shape: [number, number, number] = [25, 31, 21]): Volume {
  return draw(affine, shape, (x, y, z) =>
    (x / 44) ** 2 + (y / 56) ** 2 + (z / 36) ** 2 < 1 ? 0.6 + 0.002 * (y + z) : 0,
  )
}
function ball(at: number[], value = 1, affine: Affine = RAS, shape: [number, number, number] = [25, 31, 21]): Volume {
  return draw(affine, shape, (...p) => value * Math.max(0, 1 - Math.hypot(...p.map((v, n) => v - at[n]!)) / 14))
}
function draw(affine: Affine, shape: [number, number, number], f: (x: number, y: number, z: number) => number): Volume {
  const data = new Float32Array(shape[0] * shape[1] * shape[2])
  const row = (r: number, i: number, j: number, k: number) =>
    affine[4 * r]! * i + affine[4 * r + 1]! * j + affine[4 * r + 2]! * k + affine[4 * r + 3]!
  data.forEach((_, n) => {
    const [i, j, k] = [n % shape[0], Math.floor(n / shape[0]) % shape[1], Math.floor(n / shape[0] / shape[1])]
    data[n] = f(row(0, i, j, k), row(1, i, j, k), row(2, i, j, k))
  })
  return { shape, data, affine }
}

/** Centre of the coloured pixels of a box of the picture (fractions of width and height), or undefined. */
function colourCentre({ width, height, rgba }: Picture, [x0, y0, x1, y1]: number[]) {
  let [count, sumX, sumY] = [0, 0, 0]
  for (let y = Math.floor(y0! * height); y < Math.floor(y1! * height); y++) {
    for (let x = Math.floor(x0! * width); x < Math.floor(x1! * width); x++) {
      const [r, g, b] = rgba.subarray(4 * (x + width * y))
      if (Math.max(r!, g!, b!) - Math.min(r!, g!, b!) < 40) continue
      count++
      sumX += x / width
      sumY += y / height
    }
  }
  return count > 20 ? { x: sumX / count, y: sumY / count } : undefined
}

const fails = (call: () => unknown, pattern: RegExp) =>
  assert.throws(call, (error: Error) => error instanceof InputError && pattern.test(error.message))
const same = (a: Picture, b: Picture) => {
  assert.equal([a.width, a.height], [b.width, b.height])
  let worst = 0
  for (let n = 0; n < a.rgba.length; n++) worst = Math.max(worst, Math.abs(a.rgba[n]! - b.rgba[n]!))
  assert.ok(worst <= 2, `pictures differ by up to ${worst}`)
}

test('the font has a glyph for every printable ASCII character, all different, and ? for others', () => {
  const all = Array.from({ length: 95 }, (_, n) => glyphRows(String.fromCharCode(32 + n)))
  for (const rows of all) assert.ok(rows.length === 7 && rows.every((bits) => bits >= 0 && bits < 32))
  assert.is(new Set(all.map(String)).size, 95)
  assert.equal(glyphRows('\u00e9'), glyphRows('?'))
  assert.equal(glyphRows('T'), [31, 4, 4, 4, 4, 4, 4])
})

test('text at the edge of a picture is cut off, not wrapped', () => {
  const picture = makePicture(6, 8, [0, 0, 0])
  drawText(picture, 'TT', 3, 0, { scale: 1, colour: [255, 255, 255] })
  const lit = [...Array(6).keys()].filter((x) => picture.rgba[4 * x] === 255)
  assert.equal(lit, [3, 4, 5])
})

test('lightness rises evenly along the colour maps and equally on both sides of zero', () => {
  /** CIE L* of an sRGB colour. */
  const lightness = (rgb: readonly number[]) => {
    const linear = rgb.map((v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4))
    const y = 0.2126 * linear[0]! + 0.7152 * linear[1]! + 0.0722 * linear[2]!
    return 116 * Math.cbrt(y) - 16
  }
  for (const map of [sequentialColour, divergingColour, (t: number) => divergingColour(-t)]) {
    const steps = Array.from({ length: 11 }, (_, n) => lightness(map(Math.max(1e-9, n / 10))))
    for (let n = 1; n < steps.length; n++) {
      const step = steps[n]! - steps[n - 1]!
      assert.ok(step > 2 && step < 9, `step ${n}: ${step}`)
    }
  }
  for (const t of [0.2, 0.5, 0.8, 1]) {
    assert.ok(Math.abs(lightness(divergingColour(t)) - lightness(divergingColour(-t))) < 6)
  }
})

test('left is left: a ball in the left, front, upper part lands there in every plane', () => {
  const picture = montage(brain(), ball([-24, 28, 16]), { slices: 1, width: 480 })
  const rows = [
    [0, 0, 1, 0.38],
    [0, 0.38, 1, 0.62],
    [0, 0.66, 1, 0.9],
  ]
  const [axial, coronal, sagittal] = rows.map((row) => colourCentre(picture, row))
  assert.ok(axial!.x < 0.45, 'axial: left of the middle')
  assert.ok(coronal!.x < 0.45, 'coronal: left of the middle')
  assert.ok(sagittal!.x > 0.55, 'sagittal: towards the front, on the right')
  const mirrored = montage(brain(), ball([24, 28, 16]), { slices: 1, width: 480 })
  assert.ok(colourCentre(mirrored, rows[0]!)!.x > 0.55)
  // Behind and below: lower in the axial row, and in both others.
  const low = montage(brain(), ball([-24, -28, -16]), { slices: 1, width: 480 })
  const [lowAxial, lowCoronal, lowSagittal] = rows.map((row) => colourCentre(low, row))
  assert.ok(axial!.y < lowAxial!.y - 0.05, 'the front is up in axial slices')
  assert.ok(coronal!.y < lowCoronal!.y - 0.02 && sagittal!.y < lowSagittal!.y - 0.02, 'the top is up')
  assert.ok(lowSagittal!.x < 0.45, 'the back is on the left of sagittal slices')
})

test('the picture does not depend on how the voxels are stored', () => {
  const expected = montage(brain(), ball([-24, 28, 16]), { slices: 2, width: 600 })
  // The same voxel centres: x to the left; and axes in the order z, x, y with y backwards.
  const las = [-4, 0, 0, 48, 0, 4, 0, -60, 0, 0, 4, -40, 0, 0, 0, 1]
  same(expected, montage(brain(las), ball([-24, 28, 16], 1, las), { slices: 2, width: 600 }))
  const permuted = [0, 4, 0, -48, 0, 0, -4, 60, 4, 0, 0, -40, 0, 0, 0, 1]
  const shape: [number, number, number] = [21, 25, 31]
  same(expected, montage(brain(permuted, shape), ball([-24, 28, 16], 1, permuted, shape), { slices: 2, width: 600 }))
  // An overlay on another orientation than the background is resampled onto it.
  same(expected, montage(brain(), ball([-24, 28, 16], 1, las), { slices: 2, width: 600 }))
})

test('voxels of unequal size keep the proportions of the head', () => {
  const thick = [2, 0, 0, -48, 0, 2, 0, -60, 0, 0, 8, -40, 0, 0, 0, 1]
  const options = { slices: 3, width: 900, positions: { axial: [0], coronal: [0], sagittal: [0] } }
  const a = montage(brain(), undefined, options)
  const b = montage(brain(thick, [49, 61, 11]), undefined, options)
  assert.ok(Math.abs(a.height - b.height) < 0.08 * a.height, `${a.height} and ${b.height}`)
})

test('slices with most overlay are taken, apart from each other; otherwise evenly inside', () => {
  const mass = new Float64Array(60)
  mass.set([1, 5, 9, 5, 1], 10)
  mass.set([1, 3, 4, 3, 1], 40)
  assert.equal(peakSlices(mass, 1), [12])
  assert.equal(peakSlices(mass, 2), [12, 42])
  assert.is(peakSlices(mass, 4).length, 4)
  assert.equal(peakSlices(new Float64Array(9), 3), [])
  assert.equal(evenSlices([0, 9], 5), [1, 3, 5, 7, 9])
  assert.equal(evenSlices([4, 4], 3), [4])
})

test('percentiles look at finite nonzero values only', () => {
  const data = Float32Array.from({ length: 1000 }, (_, n) => (n < 101 ? n : 0))
  data[500] = Number.NaN
  data[501] = Number.POSITIVE_INFINITY
  assert.equal(
    percentiles(data, [0, 50, 100]),
    [1, 51, 100].map((v) => (v === 51 ? percentiles(data, [50])![0]! : v)),
  )
  assert.ok(Math.abs(percentiles(data, [50])![0]! - 50.5) <= 1)
  assert.is(percentiles(new Float32Array(5), [50]), undefined)
})

test('the overlay is invisible up to the threshold and fades in smoothly', () => {
  const scale = { max: 1, threshold: 0.2, signed: false }
  assert.is(overlayOpacity(0.2, scale), 0)
  assert.is(overlayOpacity(-1, scale), 0)
  assert.is(overlayOpacity(Number.NaN, scale), 0)
  assert.ok(overlayOpacity(0.21, scale) < 0.02)
  assert.ok(overlayOpacity(0.35, scale) > overlayOpacity(0.3, scale))
  assert.ok(overlayOpacity(1, scale) > 0.9)
  assert.is(overlayOpacity(-1, { ...scale, signed: true }), overlayOpacity(1, scale))
})

test('ticks are round numbers within the range', () => {
  assert.equal(niceTicks(0, 1, 5).map(shortNumber), ['0', '0.2', '0.4', '0.6', '0.8', '1'])
  assert.equal(niceTicks(-0.61, 0.61, 6).map(shortNumber), ['-0.6', '-0.4', '-0.2', '0', '0.2', '0.4', '0.6'])
  assert.equal([1e-5, 0.00123, 12345.6, 1234567].map(shortNumber), ['1e-5', '0.00123', '12300', '1.2e6'])
})

test('empty, constant, tiny, and non-finite volumes make a picture too', () => {
  const affine = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]
  const volume = (shape: [number, number, number], value: number): Volume => {
    return { shape, affine, data: new Float32Array(shape[0] * shape[1] * shape[2]).fill(value) }
  }
  for (const value of [0, 7, -2, Number.NaN, Number.POSITIVE_INFINITY]) {
    for (const shape of [
      [1, 1, 1],
      [3, 4, 5],
      [40, 1, 1],
      [1, 1, 40],
    ] as [number, number, number][]) {
      for (const overlay of [undefined, volume(shape, value), volume(shape, 0)]) {
        const { width, height, rgba } = montage(volume(shape, value), overlay, { title: 'x', label: 'y', width: 480 })
        assert.is(rgba.length, 4 * width * height)
        assert.ok(height < 8000)
      }
    }
  }
  const withHoles = brain()
  withHoles.data[5000] = Number.NaN
  montage(withHoles, ball([0, 0, 0]), { width: 480 })
})

test('options out of range are refused', () => {
  fails(() => montage(brain(), undefined, { slices: 0 }), /slices is 0/)
  fails(() => montage(brain(), undefined, { width: 10 }), /width is 10/)
  fails(() => montage(brain(), undefined, { window: [1, 1] }), /grey window/)
  fails(() => montage(brain(), ball([0, 0, 0]), { max: 1, threshold: 2 }), /0 <= threshold < max/)
  fails(() => montage(brain(), undefined, { positions: { axial: [400] } }), /no axial slice at 400 mm.*-40 to 40/)
  fails(() => montage({ ...brain(), data: new Float32Array(3) }, undefined), /3/)
})

test('a PNG decodes to the same pixels; long titles are shortened', () => {
  const picture = montage(brain(), ball([0, 0, 0], -1), {
    title: 'long '.repeat(100),
    label: 'words '.repeat(50),
    width: 480,
  })
  const png = decode(encodePng(picture))
  assert.equal([png.width, png.height, png.channels], [picture.width, picture.height, 3])
  assert.ok(png.data.every((v, n) => v === picture.rgba[4 * Math.floor(n / 3) + (n % 3)]))
  const clear = { width: 1, height: 1, rgba: Uint8Array.of(1, 2, 3, 4) }
  assert.equal([...decode(encodePng(clear)).data], [1, 2, 3, 4])
})

test.run()
