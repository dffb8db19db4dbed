/** The picture of a comparison: a small panel for each measure, the curves of each method, and what resetting layers does. */
import { type MeasureName, measures } from '../explain/judge/measures.ts'
import { domainOf, makeFrame } from '../io/chart/chart-frame.ts'
import { heatMap } from '../io/chart/chart-heat.ts'
import { lineMark } from '../io/chart/chart-line.ts'
import { seriesColour, seriesDash } from '../io/chart/chart-palette.ts'
import { QUIET, rule, svgDocument, TITLE, tag, textWidth, words } from '../io/chart/chart-svg.ts'
import type { JudgeRecord } from './judge-records.ts'
import { type MethodSummary, meanCurve, measuredOf } from './judge-summary.ts'

const WIDTH = 1480
const GAP = 16
const ACROSS = 4
/** Means that differ by more than this are shown on a logarithmic axis. */
const FAR = 50
const [BLUE, ORANGE] = [seriesColour(0), seriesColour(1)]

interface Part {
  readonly svg: string
  readonly width: number
  readonly height: number
}

/**
 * All of it as SVG.
 * @param summaries the best method first. @param layers those that were reset, in order
 * @returns undefined where nothing was measured
 */
export function judgePicture(
  title: string,
  summaries: readonly MethodSummary[],
  records: readonly JudgeRecord[],
  layers: readonly string[],
): string | undefined {
  const names = measuredOf(summaries)
  if (names.length === 0) return undefined
  const panels = names.map((name) => measurePanel(name, summaries))
  const curves = summaries.flatMap(({ method }) => curvePanel(method, records) ?? [])
  const cascades = (['randomisation', 'signedRandomisation'] as const).map((curve) =>
    cascadeMap(curve, summaries, records, layers),
  )
  const sections: [string, Part[]][] = [
    [`${title}. Means with standard errors; the best method of each measure is orange, controls are grey`, panels],
    [
      'Probability of the class, the most relevant voxels first: deletion (orange) replaces them, insertion (blue, dashed) puts them in',
      curves,
    ],
    [
      'Rank correlation of |relevance| with the map of the trained network, layers reset from the top: a map that depends on weights loses it',
      cascades[0]!,
    ],
    ['The same of relevance with its sign, in size', cascades[1]!],
  ]
  const marks: string[] = []
  let y = GAP
  for (const [heading, parts] of sections) {
    if (parts.length === 0) continue
    marks.push(words(heading, GAP, y + 16, { 'font-size': TITLE + 2, 'font-weight': 700 }))
    y += 32
    let [x, tallest] = [GAP, 0]
    for (const part of parts) {
      if (x > GAP && x + part.width > WIDTH - GAP) {
        y += tallest + GAP
        ;[x, tallest] = [GAP, 0]
      }
      marks.push(part.svg.replace('<svg ', `<svg x="${x}" y="${y}" `))
      x += part.width + GAP
      tallest = Math.max(tallest, part.height)
    }
    y += tallest + 2 * GAP
  }
  return svgDocument(WIDTH, y, title, marks)
}

function measurePanel(name: MeasureName, summaries: readonly MethodSummary[]): Part {
  const shown = summaries.filter(({ cells }) => cells[name])
  const { title, better } = measures[name]
  const width = Math.floor((WIDTH - 2 * GAP - (ACROSS - 1) * GAP) / ACROSS)
  const height = 110 + 20 * shown.length
  const ends = shown.flatMap(({ cells }) => {
    const { mean, error = 0 } = cells[name]!
    return [mean - error, mean + error]
  })
  const means = shown.map(({ cells }) => cells[name]!.mean)
  // One method that is far off would push all others together.
  const log = Math.min(...means) > 0 && Math.max(...means) > FAR * Math.min(...means)
  const x = domainOf({ label: `${better} is better`, log }, ends)
  const lowest = x.domain![0]
  const frame = makeFrame({ title, width, height, x, y: { names: shown.map(({ method }) => method) } })
  const marks = shown.flatMap(({ method, control, cells }) => {
    const { mean, error, rank } = cells[name]!
    const y = frame.y(method)! + frame.y.bandwidth() / 2
    const colour = control ? QUIET : rank === 1 ? ORANGE : BLUE
    const bar =
      error === undefined
        ? []
        : [
            rule(frame.x(Math.max(lowest, mean - error)), y, frame.x(mean + error), y, {
              stroke: colour,
              'stroke-width': 2,
            }),
          ]
    const hollow = control ? { fill: '#ffffff', stroke: colour, 'stroke-width': 2 } : { fill: colour }
    return [
      rule(0, y, frame.box.width, y, { stroke: '#eeeeee' }),
      ...bar,
      tag('circle', { cx: frame.x(mean), cy: y, r: rank === 1 ? 6 : 4.5, ...hollow }),
    ]
  })
  return { svg: frame.render(marks), width, height }
}

function curvePanel(method: string, records: readonly JudgeRecord[]): Part | undefined {
  const [width, height] = [228, 210]
  const lines = (['deletion', 'insertion'] as const).flatMap((name, n) => {
    const curve = meanCurve(records, method, name)
    return curve ? [{ name, n, points: curve.map((p, k) => [k / (curve.length - 1), p ?? Number.NaN] as const) }] : []
  })
  if (lines.length === 0) return undefined
  const axis = (label: string) => ({ label, domain: [0, 1] as const })
  const frame = makeFrame({ title: method, width, height, x: axis('share of voxels'), y: axis('probability') })
  const marks = lines.map(({ n, points }) =>
    lineMark(points, frame.x, frame.y, { stroke: [ORANGE, BLUE][n]!, 'stroke-dasharray': seriesDash(n) }),
  )
  return { svg: frame.render(marks), width, height }
}

function cascadeMap(
  name: 'randomisation' | 'signedRandomisation',
  summaries: readonly MethodSummary[],
  records: readonly JudgeRecord[],
  layers: readonly string[],
): Part[] {
  const rows = summaries.flatMap(({ method }) => {
    const curve = meanCurve(records, method, name)
    return curve ? [{ method, curve }] : []
  })
  if (rows.length === 0 || rows.every(({ curve }) => curve.every((value) => value === undefined))) return []
  const names = rows.map(({ method }) => method)
  const room = Math.max(...names.map((name) => textWidth(name, 12)))
  const width = Math.min(WIDTH - 2 * GAP, Math.max(420, Math.round(room) + 170 + 64 * layers.length))
  const below = Math.min(0.3 * width, Math.max(...layers.map((name) => textWidth(name, 12))))
  const height = Math.round(96 + below + 26 * rows.length)
  const svg = heatMap({
    width,
    height,
    rows: names,
    // Two layers may have one name in the picture only where it is cut; a heat map needs none to differ.
    columns: layers,
    values: rows.map(({ curve }) => curve),
    label: 'Spearman',
    xLabel: 'reset, this layer and all before it',
    diverging: true,
    domain: [-1, 1],
  })
  return [{ svg, width, height }]
}
