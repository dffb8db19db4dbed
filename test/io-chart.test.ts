/** Charts are sound SVG that shows what it was given: text escaped, gaps kept, marks where the scales say. */
import * as fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { barChart } from '../src/io/chart/chart-bar.ts'
import { boxChart } from '../src/io/chart/chart-box.ts'
import { heatMap } from '../src/io/chart/chart-heat.ts'
import { lineChart, rocChart } from '../src/io/chart/chart-line.ts'
import { inkOn, seriesColour } from '../src/io/chart/chart-palette.ts'
import { scatterChart } from '../src/io/chart/chart-scatter.ts'
import { fitText, textWidth, wrapText } from '../src/io/chart/chart-svg.ts'

const test = suite('charts')

const HOSTILE = `<b>"R&D" 'x'</b>`
const ENTITY = /&(?:amp|lt|gt|quot|#39);/g

/** Every tag closed in order, every attribute quoted, no stray markup, no number that is none, nothing from outside. */
function assertSound(svg: string): void {
  const open: string[] = []
  const rest = svg.replace(
    /<(\/?)([a-z]+)((?: [A-Za-z0-9:-]+="[^"<>]*")*)(\/?)>/g,
    (_, close, name, _attributes, empty) => {
      if (close) assert.is(open.pop(), name)
      else if (!empty) open.push(name)
      return ''
    },
  )
  assert.equal(open, [])
  assert.not.match(rest.replace(ENTITY, ''), /[<>&]/)
  assert.not.match(svg, /NaN|Infinity|undefined/)
  assert.not.match(svg.replace('http://www.w3.org/2000/svg', ''), /https?:|url\(|<script|href/)
  assert.match(svg, /^<svg xmlns="http:\/\/www.w3.org\/2000\/svg" width="\d+" height="\d+" viewBox="0 0 \d+ \d+"/)
}

const count = (svg: string, pattern: RegExp) => [...svg.matchAll(pattern)].length

/** Ends of the path of the n-th series. */
function pathOf(svg: string, n: number): string {
  return [...svg.matchAll(/<path d="([^"]*)" fill="none" stroke-width="2.2"[^>]* stroke="([^"]*)"/g)].find(
    ([, , stroke]) => stroke === seriesColour(n),
  )![1]!
}

test('all kinds, with text that would break out', () => {
  const axis = { label: HOSTILE }
  const points = [[0, 1], [1, 3], [2, 2]] as const // biome-ignore format: a table
  for (const svg of [
    lineChart({
      title: HOSTILE,
      x: axis,
      y: axis,
      series: [
        { name: HOSTILE, points },
        { name: 'b', points },
      ],
    }),
    rocChart({
      title: HOSTILE,
      curves: [
        {
          name: HOSTILE,
          points: [
            { fpr: 0, tpr: 0 },
            { fpr: 1, tpr: 1 },
          ],
        },
      ],
    }),
    scatterChart({
      title: HOSTILE,
      x: axis,
      y: axis,
      groups: [
        { name: HOSTILE, points },
        { name: 'b', points },
      ],
      note: HOSTILE,
    }),
    barChart({
      title: HOSTILE,
      values: axis,
      label: HOSTILE,
      groups: [{ name: HOSTILE, bars: [{ value: 1, interval: [0, 2] }] }],
    }),
    barChart({ values: axis, horizontal: true, groups: [{ name: HOSTILE, bars: [{ value: -1 }] }] }),
    boxChart({ title: HOSTILE, y: axis, groups: [{ name: HOSTILE, values: [1, 2, 3] }] }),
    heatMap({ title: HOSTILE, rows: [HOSTILE], columns: [HOSTILE], values: [[1]], label: HOSTILE, xLabel: HOSTILE }),
  ]) {
    assertSound(svg)
    assert.match(svg, /R&amp;D/)
  }
})

test('any numbers make sound pictures, or an error in words', () => {
  const number = fc.oneof(fc.double(), fc.integer({ min: -5, max: 5 }))
  fc.assert(
    fc.property(fc.array(fc.tuple(number, number), { maxLength: 8 }), fc.boolean(), (points, log) => {
      const axis = { label: 'value', log }
      const [xs, ys] = [points.map(([x]) => x), points.map(([, y]) => y)]
      for (const draw of [
        () => lineChart({ x: axis, y: axis, series: [{ name: 'a', points }], marker: undefined }),
        () => scatterChart({ x: axis, y: axis, groups: [{ name: 'a', points }] }),
        () =>
          boxChart({
            y: axis,
            groups: [
              { name: 'a', values: ys },
              { name: 'b', values: xs },
            ],
          }),
        () =>
          barChart({
            values: { label: 'value' },
            groups: points.map(([value], n) => ({ name: `${n}`, bars: [{ value }] })),
          }),
        () =>
          heatMap({
            rows: xs.map(String).map((_, n) => `${n}`),
            columns: ['x', 'y'],
            values: points,
            label: 'value',
            diverging: log,
          }),
      ]) {
        try {
          assertSound(draw())
        } catch (error) {
          assert.is((error as Error).name, 'InputError', String((error as Error).stack))
        }
      }
    }),
    { seed: 5, numRuns: 150 },
  )
})

test('lines: marks where the scales say, gaps where there is nothing', () => {
  const axes = { x: { label: 'epoch' }, y: { label: 'loss', domain: [0, 1] as const } }
  const gap = lineChart({
    ...axes,
    series: [
      {
        name: 'a',
        points: [
          [0, 0],
          [1, Number.NaN],
          [2, 1],
          [3, 0.5],
        ],
      },
    ],
  })
  const path = pathOf(gap, 0)
  assert.is(count(path, /M/g), 2)
  const [x0, y0] = /^M([\d.]+),([\d.]+)/.exec(path)!.slice(1).map(Number)
  const [x2, y2, x3, y3] = /M([\d.]+),([\d.]+)L([\d.]+),([\d.]+)$/.exec(path)!.slice(1).map(Number)
  assert.is(x0, 0)
  assert.is(y2, 0)
  assert.ok(Math.abs(y3! - y0! / 2) < 0.02 && Math.abs(x2! - (2 / 3) * x3!) < 0.02)

  const log = lineChart({
    x: { label: 'x', log: true },
    y: { label: 'y' },
    series: [
      {
        name: 'a',
        points: [
          [1, 0],
          [10, 1],
          [100, 2],
          [0, 3],
        ],
      },
    ],
  })
  const [, a, b] = [...pathOf(log, 0).matchAll(/([\d.]+),[\d.]+/g)].map(([, x]) => Number(x))
  assert.ok(Math.abs(a! - b! / 2) < 0.02)
  assert.match(log, />10</)
  assert.throws(() => lineChart({ ...axes, series: [{ name: 'a', points: [] }] }), /nothing to draw along "epoch"/)
})

test('series differ by more than colour; one alone has no legend', () => {
  const points = [[0, 0], [1, 1]] as const // biome-ignore format: a table
  const series = ['one', 'two', 'three'].map((name) => ({ name, points }))
  const svg = lineChart({ x: { label: 'x' }, y: { label: 'y' }, series })
  assert.is(new Set(['7 3', '2 3'].filter((dash) => svg.includes(`stroke-dasharray="${dash}"`))).size, 2)
  for (const { name } of series) assert.match(svg, new RegExp(`>${name}<`))
  assert.not.match(lineChart({ x: { label: 'x' }, y: { label: 'y' }, series: [series[0]!] }), />one</)
})

test('bars: heights by value, error bars, gaps; groups that will not do are refused', () => {
  const groups = [
    { name: 'a', bars: [{ value: 0.5, interval: [0.4, 0.6] as const }, { value: 1 }] },
    { name: 'b', bars: [{ value: undefined }, { value: 0.25 }] },
  ]
  for (const horizontal of [false, true]) {
    const svg = barChart({ values: { label: 'v', domain: [0, 1] }, groups, series: ['s', 't'], horizontal })
    const inside = svg.slice(svg.indexOf('overflow="hidden"'))
    const rects = [...inside.matchAll(/<rect x="[^"]*" y="[^"]*" width="([^"]*)" height="([^"]*)"/g)]
    const lengths = rects.map(([, width, height]) => Number(horizontal ? width : height))
    assert.is(lengths.length, 3)
    assert.ok(Math.abs(lengths[0]! / lengths[1]! - 0.5) < 1e-3 && Math.abs(lengths[2]! / lengths[1]! - 0.25) < 1e-3)
    assert.is(count(inside, /stroke-width="1.4"/g), 3)
  }
  assert.throws(() => barChart({ values: { label: 'v' }, groups, series: ['s'] }), /"a" has 2 bars for 1 series/)
  const twice = [groups[0]!, groups[0]!]
  assert.throws(() => barChart({ values: { label: 'v' }, groups: twice, series: ['s', 't'] }), /two groups .* "a"/)
  assert.throws(() => barChart({ values: { label: 'v' }, groups: [] }), /at least one/)
})

test('heat maps: a number in every cell that has one, ink that reads on its colour', () => {
  const svg = heatMap({
    rows: ['a', 'b'],
    columns: ['c', 'd'],
    values: [
      [0, 1],
      [undefined, 0.25],
    ],
    label: 'cosine',
  })
  assert.equal(
    [...svg.matchAll(/<text [^>]*font-size="13" fill="(#\w+)">([\d.]+)</g)].map(([, ink, text]) => [ink, text]),
    [
      ['#1a1a1a', '0.00'],
      ['#ffffff', '1.00'],
      ['#1a1a1a', '0.25'],
    ],
  )
  assert.is(inkOn('#ffffff'), '#1a1a1a')
  assert.is(inkOn('rgb(0, 0, 0)'), '#ffffff')
  assert.throws(() => heatMap({ rows: ['a'], columns: ['c', 'd'], values: [[0]], label: 'v' }), /another shape/)
  const many = Array.from({ length: 40 }, (_, n) => `region ${n}`)
  const large = heatMap({
    rows: many,
    columns: many,
    values: many.map((_, i) => many.map((_, j) => i - j)),
    label: 'v',
    diverging: true,
  })
  assertSound(large)
})

test('text is measured, wrapped and cut', () => {
  assert.is(textWidth('00', 1000), 1112)
  assert.ok(textWidth('W', 10, true) > textWidth('W', 10))
  assert.equal(wrapText('one two three', textWidth('one two', 13), 13), ['one two', 'three'])
  const cut = fitText('parahippocampal', 60)
  assert.ok(cut.endsWith('...') && textWidth(cut) <= 60)
})

test('many groups with long names get slanted, and all fit', () => {
  const names = Array.from({ length: 12 }, (_, n) => `Temporal pole: superior temporal gyrus ${n}`)
  const svg = boxChart({
    y: { label: 'density' },
    groups: names.map((name, n) => ({ name, values: [n, n + 1, n + 4] })),
  })
  assertSound(svg)
  assert.is(count(svg, /rotate\(-36/g), 12)
  const groups = [
    { name: 'a', values: [1, 2, 3], mark: 9 },
    { name: 'b', values: [], mark: 2 },
    { name: 'c', values: [1], mark: Number.NaN },
  ]
  const marked = boxChart({ y: { label: 'r' }, groups })
  assertSound(marked)
  assert.is(count(marked, /<path [^>]*fill="#1a1a1a"/g), 2)
  assert.throws(
    () => lineChart({ width: 50, x: { label: '' }, y: { label: '' }, series: [{ name: 'a', points: [[0, 0]] }] }),
    /50 x/,
  )
})

test.run()
