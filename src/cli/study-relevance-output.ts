/** The files of a study of relevance. */
import { join } from 'node:path'
import { svgToPng } from '../io/chart/chart-png.node.ts'
import { montagePng } from '../io/montage-apart.node.ts'
import { writeVolume } from '../io/nifti.ts'
import { describePredictions, formatPredictions } from '../model/evaluation/predictions.ts'
import { formatJson } from './json.ts'
import { drawMethod, drawRandom, fileStem, type GroupMap, type ScatterFigure } from './study-relevance-figures.ts'
import { relevancePage } from './study-relevance-page.ts'
import type { MethodResults, RelevanceResults } from './study-relevance-results.ts'
import { classificationTable, correlationsTable, randomTable, regionsTable } from './study-relevance-tables.ts'

/** Folders of the study. */
export const FIGURES = 'figures'
export const GROUPS = 'groups'

/** Everything that is written, in order. */
export async function relevanceFiles(
  results: RelevanceResults,
): Promise<{ path: string; bytes: Uint8Array | string }[]> {
  const { options, methods, predictions } = results
  const files: { path: string; bytes: Uint8Array | string }[] = []
  const add = (name: string, bytes: Uint8Array | string) => files.push({ path: join(options.out, name), bytes })
  const drawn = methods.map((method) => drawMethod(results, method))
  const beside = drawRandom(results)
  for (const figure of beside) await addFigure(figure)
  for (const { method, scatters, boxes, maps, picture } of drawn) {
    for (const figure of [...scatters.flat(), ...boxes]) {
      if (figure) await addFigure(figure)
    }
    if (picture) await addFigure({ name: fileStem(method.choice.name, 'groups'), svg: picture })
    for (const map of maps) await addMap(method, map)
  }
  add('regions.tsv', regionsTable(results))
  add('correlations.tsv', correlationsTable(results))
  if (results.random.length > 0) add('random.tsv', randomTable(results))
  add('classification.tsv', classificationTable(results))
  add('predictions.tsv', formatPredictions(predictions))
  add('predictions.json', formatJson(describePredictions(predictions)))
  add('relevance.json', formatJson(relevanceDocument(results)))
  add('index.html', relevancePage(results, drawn, beside))
  return files

  async function addFigure({ name, svg }: ScatterFigure) {
    const stem = join(FIGURES, name)
    add(`${stem}.svg`, svg)
    add(`${stem}.png`, await svgToPng(svg, 2))
  }

  async function addMap(method: MethodResults, { name, title, kind, signed, map }: GroupMap) {
    const stem = join(GROUPS, name)
    const what = kind === 'mean' ? 'mean relevance' : kind === 't' ? "Welch's t" : 'difference of mean relevance'
    add(`${stem}.nii.gz`, writeVolume(map, { gzip: true, description: `voxplain ${method.choice.name} ${kind}` }))
    const background = { ...map, data: method.background }
    const label = `${what}, for ${results.target}`
    const heading = `${title}: ${method.choice.method.title}`
    add(`${stem}.png`, await montagePng(background, map, { title: heading, label, signed }))
  }
}

/** All that is known, for machines. */
export function relevanceDocument(results: RelevanceResults): object {
  const { cohort, options, name, classes, target, control, groups, regions, covariates, atlas } = results
  return {
    cohort,
    network: { file: options.network, name, classes },
    target,
    control,
    groups,
    measure: options.measure,
    covariates,
    atlas: options.atlas,
    regions: regions.map((region) => ({
      name: region.name,
      atlas: region.places.map((k) => atlas.regions[k]!.name),
    })),
    methods: results.methods.map(({ choice, settings, subjects, study }) => ({
      method: choice.method.name,
      name: choice.name,
      settings,
      scans: subjects.length,
      residualised: study.residualised,
      correlations: study.correlations.map(({ region, ...row }) => ({ region: regions[region]!.name, ...row })),
      scores: study.scores.map(({ region, ...row }) => ({ region: regions[region]!.name, ...row })),
    })),
    ...(results.random.length > 0 && {
      random: results.random.map(({ choice, rows }) => ({
        method: choice.name,
        networks: results.options.random,
        correlations: rows.map(({ region, ...row }) => ({ region: regions[region]!.name, ...row })),
      })),
    }),
    classification: results.evaluation,
    notes: results.notes,
    adapter: results.adapter,
    versions: results.versions,
  }
}
