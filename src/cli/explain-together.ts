/** One mask for a group of scans. */
import { type PreparedScan, prepareScan } from '../explain/explain.ts'
import { type MaskProgress, optimiseMask, planMask } from '../explain/mask.ts'
import type { NiftiVolume } from '../io/nifti.ts'
import { invertRecipe } from '../model/recipe/recipe.ts'
import { type Written, writeMap } from './explain-files.ts'
import { recordOf } from './explain-keep.ts'
import { keptMap, mapKey, mapStem, type Task } from './explain-task.ts'
import { maskDetails } from './explain-workers.ts'
import { describeMemory } from './gpu.ts'
import { withHint } from './network.ts'
import type { Progress } from './progress.ts'
import { forEachScan, type Outcome, tellAbout } from './scans.ts'
import type { Reporter } from './terminal.ts'

interface Member {
  readonly path: string
  readonly index: number
  readonly digest: string
  readonly prepared: PreparedScan
}

/** A mask for all scans that can be used, for each setting and class; the others are told of, and named in the result. */
export async function explainTogether(task: Task): Promise<Outcome<Written>[]> {
  const { session, about, scans, reporter, targets, methods, force } = task
  const { loaded } = about
  const { network } = loaded
  let background: NiftiVolume | undefined
  // Every step needs every scan: all of them stay in memory as the network sees them.
  const paths = scans.map(({ path }) => path)
  const read = await forEachScan(paths, reporter, (volume, path, index, digest) =>
    withHint(loaded, volume, async (): Promise<Member> => {
      const prepared = prepareScan(network, volume, scans[index]!.covariates)
      tellAbout(path, prepared, reporter)
      background ??= volume
      return { path, index, digest, prepared }
    }),
  )
  const members = read.flatMap((outcome) => ('result' in outcome ? [outcome.result] : []))
  const failed = read.flatMap((outcome) => ('error' in outcome ? [outcome] : []))
  if (!background) return failed
  const scan = background
  const inputs = members.map(({ prepared }) => prepared)
  const covariates = members.map(({ index }) => scans[index]!.covariates)
  const facts = members.map(({ digest }, k) => ({ digest, covariates: covariates[k]! }))
  const outcomes: Outcome<Written>[] = []
  let kept = 0
  for (const { choice, mask, variants } of methods) {
    const options = { ...mask!.options, spacing: inputs[0]!.spacing }
    const plan = planMask(session.gpu, network, options, inputs.length)
    reporter.note(`${describeMemory(plan)} on ${session.gpu.name}`)
    for (const target of targets) {
      for (const variant of variants) {
        const name = { choice, variant, target }
        const stem = mapStem(task, task.stems[0]!, name)
        const key = mapKey(task, name, facts)
        const record = force ? undefined : await recordOf(stem, key)
        if (record) {
          kept++
          outcomes.push({ scan: 'group', result: keptMap(stem, record) })
          continue
        }
        const onProgress = showProgress(reporter, `group of ${inputs.length}`)
        const { lambda1, lambda2 } = variant.settings as { lambda1: number; lambda2: number }
        const result = await session.run((gpu) =>
          optimiseMask(gpu, network, inputs, { ...options, lambda1, lambda2, target, onProgress }),
        )
        const used = members.map(({ path }) => path)
        const { change, summary, details } = maskDetails(
          result,
          used,
          network.description.recipe.classes,
          mask!.reference,
        )
        const relevance = result.mask.map((m) => 1 - m)
        const written = await writeMap(
          {
            stem,
            choice,
            key,
            polish: task.polish,
            target: result.target,
            map: invertRecipe(network.description.recipe, relevance, scan),
            background: scan,
            scans: used,
            covariates,
            nonFinite: inputs.reduce((n, { nonFinite }) => n + nonFinite, 0),
            notes: [...new Set(inputs.flatMap(({ notes }) => notes))],
            details: { ...details, failed },
            change,
            summary,
          },
          about,
        )
        reporter.print(written.line)
        outcomes.push({ scan: 'group', result: { files: written.files, report: written.report } })
      }
    }
  }
  if (kept > 0) reporter.note(`${kept} maps were there already and are kept; --force makes them anew`)
  return [...outcomes, ...failed]
}

function showProgress(reporter: Reporter, label: string): (progress: MaskProgress) => void {
  let bar: Progress | undefined
  return ({ iteration, iterations, total, score }) => {
    bar ??= reporter.progress(label)
    bar.update(iteration, iterations, `loss ${total.toFixed(4)} score ${score.toFixed(4)}`)
  }
}
