/** The pieces of HTML reports: nothing breaks out of its place, nothing refers to the outside. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { bar, figure, html, lineChart, page, pngUri, table } from '../src/io/page.ts'

const pages = suite('page')

pages('values are escaped, markup is not', () => {
  const hostile = `<img src=x onerror="alert('1')">&`
  assert.is(html`<p title="${hostile}">${html`<b>${1}</b>`}</p>`.html.includes('<img'), false)
  assert.is(html`<p>${'a < b & c'}</p>`.html, '<p>a &lt; b &amp; c</p>')
  assert.is(html`<p>${html`<b>${1}</b>`}${['x', 2]}</p>`.html, '<p><b>1</b>x2</p>')
  assert.match(page(hostile, hostile), /<title>&lt;img/)
  assert.match(table(['<'], [['>', 1]]).html, /<th scope="col">&lt;<\/th>.*<th scope="row">&gt;<\/th><td>1<\/td>/)
})

pages('a picture of any size becomes a data URI with the same bytes', () => {
  const bytes = Uint8Array.from({ length: 20_001 }, (_, n) => (n * 37) % 256)
  const [head, body] = pngUri(bytes).split(',')
  assert.is(head, 'data:image/png;base64')
  assert.equal(
    Uint8Array.from(atob(body!), (c) => c.charCodeAt(0)),
    bytes,
  )
  assert.match(figure(bytes, 'a "scan"', 'text').html, /alt="a &quot;scan&quot;"/)
})

pages('a chart draws its lines from left to right, higher values higher, gaps left out', () => {
  const { html: svg } = lineChart('epoch', [{ name: 'loss', values: [1, Number.NaN, 0.5] }], { x: 3, text: 'best' })
  const [, points] = /points="([^"]*)"/.exec(svg)!
  const [[x0, y0], [x1, y1]] = points!.split(' ').map((p) => p.split(',').map(Number)) as [number[], number[]]
  assert.ok(x0! < x1! && y0! < y1!)
  assert.is(points!.split(' ').length, 2)
  const drawn = svg.replace(/aria-label="[^"]*"/, '')
  assert.not.match(drawn, /NaN|undefined|Infinity/)
})

pages('a chart of one value or none is still whole', () => {
  for (const values of [[0.7], [], [0]]) {
    assert.not.match(lineChart('epoch', [{ name: 'loss', values }]).html, /NaN|undefined|Infinity/)
  }
})

pages('names of lines that end together do not overlap', () => {
  const lines = ['a', 'b', 'c'].map((name) => ({ name, values: [1, 0.001] }))
  const heights = [...lineChart('x', lines).html.matchAll(/class="name[^>]* y="([\d.]+)"/g)].map((m) => Number(m[1]))
  heights.sort((a, b) => a - b)
  assert.is(heights.length, 3)
  assert.ok(heights[1]! - heights[0]! >= 17 && heights[2]! - heights[1]! >= 17)
})

pages('a bar stays within its room', () => {
  assert.match(bar(2, '2').html, /width:100.0%/)
  assert.match(bar(-1, '-1').html, /width:0.0%/)
})

pages.run()
