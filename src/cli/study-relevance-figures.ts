/** The figures of a study of relevance: scatter plots, and maps of groups. */
import { type GroupMoments, groupMean, welchT } from '../explain/postprocess/group.ts'
import { regionMeasures } from '../explain/study/relevance-regions.ts'
import { boxChart } from '../io/chart/chart-box.ts'
import { scatterChart } from '../io/chart/chart-scatter.ts'
import { sliceFigure } from '../io/report/slice-figure.ts'
import type { Volume } from '../io/volume.ts'
import { linearFit } from '../model/evaluation/regression.ts'
import { fileNameOf } from './evaluate-inputs.ts'
import type { MethodResults, RelevanceResults, ResultSubject } from './study-relevance-results.ts'
import { formatCorrelation } from './study-relevance-tables.ts'

export interface ScatterFigure {
  /** Of its files. */
  readonly name: string
  readonly svg: string
}

/** Name of a file: its parts with _ between, each without what files are not called. */
export const fileStem = (...parts: readonly string[]) => parts.map(fileNameOf).join('_')

/** Points along the regression line. */
const STEPS = 40

/**
 * Relevance of a region against its volume, as it is and residualised, by group, with the line over all.
 * @returns none where nothing can be drawn
 */
function scatterFigures(results: RelevanceResults, method: MethodResults, region: number): ScatterFigure[] {
  const { regions, covariates, options, groups } = results
  const { study, subjects, choice } = method
  const { name } = regions[region]!
  const relevance = subjects.map((subject) => subject.regions[region]![options.measure])
  const draw = (kind: 'raw' | 'residualised', x: ArrayLike<number>, label: string): ScatterFigure[] => {
    const found = study.correlations.find((row) => {
      return row.region === region && row.against === 'volume' && row.adjustment === kind && row.group === undefined
    })
    const known = subjects.flatMap((_, n) => (Number.isFinite(x[n]!) ? [n] : []))
    if (known.length < 2) return []
    const xs = known.map((n) => x[n]!)
    const fit = linearFit(
      xs,
      known.map((n) => relevance[n]!),
    )
    const [low, high] = [Math.min(...xs), Math.max(...xs)]
    const line = fit ? Array.from({ length: STEPS + 1 }, (_, k) => low + ((high - low) * k) / STEPS) : []
    const svg = scatterChart({
      title: `${name}: ${choice.method.title}`,
      width: 500,
      x: { label },
      y: { label: `${regionMeasures[options.measure]}` },
      groups: groupsOf(subjects, groups).map(({ name: own, members }) => {
        return { name: own, points: members.map((n) => [x[n]!, relevance[n]!] as const) }
      }),
      fit: line.map((at) => ({ x: at, ...fit!.at(at) })),
      note: found?.found.pearson.r === undefined ? undefined : `r = ${formatCorrelation(found.found.pearson)}`,
    })
    return [{ name: fileStem(choice.name, name, kind), svg }]
  }
  return [
    ...draw('raw', study.volumes[region]!, `volume of ${name} (ml)`),
    ...(study.residuals
      ? draw(
          'residualised',
          study.residuals[region]!,
          `volume beyond ${study.residualised.join(', ') || covariates.join(', ')} (ml)`,
        )
      : []),
  ]
}

/** Relevance of a region by group; undefined with one group. */
function groupFigure(results: RelevanceResults, method: MethodResults, region: number): ScatterFigure | undefined {
  const { regions, options, groups } = results
  const { subjects, choice } = method
  const drawn = groupsOf(subjects, groups)
  if (drawn.length < 2) return undefined
  const { name } = regions[region]!
  const svg = boxChart({
    title: `${name}: ${choice.method.title}`,
    width: 500,
    height: 400,
    y: { label: regionMeasures[options.measure] },
    groups: drawn.map(({ name: own, members }) => {
      return { name: own, values: members.map((n) => subjects[n]!.regions[region]![options.measure]) }
    }),
  })
  return { name: fileStem(choice.name, name, 'groups'), svg }
}

function groupsOf(subjects: readonly ResultSubject[], groups: readonly string[]) {
  const found = [...groups, undefined].map((name) => ({
    name: name ?? (groups.length > 0 ? 'no label' : 'all'),
    members: subjects.flatMap(({ group }, n) => (group === name ? [n] : [])),
  }))
  return found.filter(({ members }) => members.length > 0)
}

/** A map of one or two groups. */
export interface GroupMap {
  /** Of its files. */
  readonly name: string
  readonly title: string
  readonly kind: 'mean' | 'difference' | 't'
  readonly signed: boolean
  readonly map: Volume
}

/** Means of groups, how they differ from the controls', and Welch's t of that. */
function groupMaps({ grid, control }: RelevanceResults, { choice, groups }: MethodResults): GroupMap[] {
  const volume = (data: Float32Array): Volume => ({ ...grid, data })
  const { signed } = choice.method
  const means = [...groups].map(([name, moments]): GroupMap => {
    const title = `${name} (${moments.n})`
    return {
      name: fileStem(name, `desc-${choice.name}`, 'mean'),
      title,
      kind: 'mean',
      signed,
      map: volume(groupMean(moments)),
    }
  })
  const base = control === undefined ? undefined : groups.get(control)
  if (!base) return means
  const differences = [...groups].flatMap(([name, moments]): GroupMap[] => {
    if (moments === base || control === undefined) return []
    const title = `${name} less ${control}`
    const stem = fileStem(`${name}-${control}`, `desc-${choice.name}`)
    const both = { signed: true, title }
    return [
      { ...both, name: `${stem}_difference`, kind: 'difference', map: volume(differenceOf(moments, base)) },
      ...(moments.n > 1 && base.n > 1
        ? [{ ...both, name: `${stem}_t`, kind: 't' as const, map: volume(welchT(moments, base).t) }]
        : []),
    ]
  })
  return [...means, ...differences]
}

const differenceOf = (one: GroupMoments, other: GroupMoments) =>
  Float32Array.from(one.mean, (value, v) => value - other.mean[v]!)

/** Means and differences beside each other at one scale; undefined where all maps are 0. */
function mapsFigure(
  { grid, target }: RelevanceResults,
  method: MethodResults,
  maps: readonly GroupMap[],
): string | undefined {
  const shown = maps.filter(({ kind }) => kind !== 't')
  if (!shown.some(({ map }) => map.data.some((value) => value !== 0))) return undefined
  return sliceFigure({
    title: `Mean relevance for ${target}: ${method.choice.method.title}`,
    rows: [''],
    columns: shown.map(({ title }) => title),
    maps: [shown.map(({ map }) => map)],
    background: { ...grid, data: method.background },
    label: 'relevance',
    signed: shown.some(({ signed }) => signed),
  })
}

/** All figures of one method. */
export interface MethodFigures {
  readonly method: MethodResults
  /** By region. */
  readonly scatters: readonly (readonly ScatterFigure[])[]
  readonly boxes: readonly (ScatterFigure | undefined)[]
  readonly maps: readonly GroupMap[]
  readonly picture: string | undefined
}

export function drawMethod(results: RelevanceResults, method: MethodResults): MethodFigures {
  const { regions } = results
  const maps = groupMaps(results, method)
  return {
    method,
    scatters: regions.map((_, r) => scatterFigures(results, method, r)),
    boxes: regions.map((_, r) => groupFigure(results, method, r)),
    maps,
    picture: mapsFigure(results, method, maps),
  }
}

/** r of each region with random weights, by method, and the network's own; none without such networks. */
export function drawRandom({ random, regions }: RelevanceResults): ScatterFigure[] {
  return regions.flatMap(({ name }, r): ScatterFigure[] => {
    const groups = random.map(({ choice, rows }) => {
      const own = rows.filter(({ region }) => region === r)
      const row = own.find(({ adjustment }) => adjustment === 'residualised') ?? own[0]!
      return { name: choice.name, values: row.others.filter((value) => value !== undefined), mark: row.own }
    })
    if (!groups.some(({ values }) => values.length > 0)) return []
    const svg = boxChart({
      title: `${name}: the network beside random weights`,
      width: 500,
      height: 400,
      y: { label: 'r of relevance and volume', domain: [-1, 1] },
      label: 'diamond: the network; box and dots: random weights',
      groups,
    })
    return [{ name: fileStem(name, 'random'), svg }]
  })
}
