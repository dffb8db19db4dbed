/** The work of voxplain judge: chunks of scans through all methods, records written after each. */
import { resolve } from 'node:path'
import { GpuError } from '../engine/errors.ts'
import type { Gpu } from '../engine/gpu.ts'
import { onEach, type Session } from '../engine/session.ts'
import { randomMap, scanMap } from '../explain/judge/controls.ts'
import { type Judge, type JudgedInput, openJudge, type Verdict } from '../explain/judge/judge.ts'
import { type MeasureName, measures } from '../explain/judge/measures.ts'
import { type AnyMethod, settingsOf } from '../explain/method.ts'
import { type MethodChoice, methods } from '../explain/methods.ts'
import { atlasOcclusion } from '../explain/perturb/atlas-occlusion.ts'
import { InputError } from '../io/errors.ts'
import type { Network } from '../model/description.ts'
import { keyOf } from './explain-keep.ts'
import { openMethods } from './explain-options.ts'
import { describeMemory } from './gpu.ts'
import { type JudgeCommandOptions, judgeFlags } from './judge-options.ts'
import type { JudgeRecord, JudgeRecords } from './judge-records.ts'
import { type JudgedScan, loadJudged } from './judge-scans.ts'
import type { LoadedNetwork } from './network.ts'
import { personOf } from './scan-list.ts'
import type { Reporter } from './terminal.ts'

const CONTROLS: readonly AnyMethod[] = [randomMap, scanMap]
export const controlNames: ReadonlySet<string> = new Set(CONTROLS.map(({ name }) => name))

/** Scans that are in memory at a time. */
const CHUNK = 8

/**
 * The methods to compare. Default: all there are but the one that needs an atlas, and the controls.
 * @throws InputError for a word or setting that there is not
 */
export async function judgedMethods(text: string | undefined, loaded: LoadedNetwork): Promise<MethodChoice[]> {
  const plain = (method: AnyMethod): MethodChoice => {
    return { method, name: method.name, given: {}, settings: { ...settingsOf<object>(method as never) } }
  }
  if (text === undefined) {
    return [...methods, ...CONTROLS].filter((method) => method !== atlasOcclusion).map(plain)
  }
  const parts = text.split(',').map((part) => part.trim())
  const controls = CONTROLS.filter(({ name }) => parts.includes(name))
  const others = parts.filter((part) => !controlNames.has(part)).join(',')
  return [...(others === '' ? [] : await openMethods({ method: others }, loaded)), ...controls.map(plain)]
}

export interface JudgeTask {
  readonly session: Session
  readonly loaded: LoadedNetwork
  readonly target: number | undefined
  readonly scans: readonly JudgedScan[]
  readonly choices: readonly MethodChoice[]
  readonly wanted: readonly MeasureName[]
  readonly options: JudgeCommandOptions
  /** For the fill `mean`. */
  readonly reference: Float32Array | undefined
  readonly records: JudgeRecords
  readonly reporter: Reporter
}

/** What a map depends on, apart from what the records' head says. */
export function keyOfMap({ method, settings }: MethodChoice, { path, truth, covariates }: JudgedScan): string {
  const files = [path, truth].map((file) => file && resolve(file))
  return keyOf({ method: method.name, settings, files, covariates }).slice(0, 16)
}

/**
 * Judges what is not judged yet. A scan or method that will not do is told in one line and left out; when the GPU fails,
 * what was done is kept.
 * @returns the judge's layers, and whether something was left out
 */
export async function judgeAll(
  task: JudgeTask,
): Promise<{ judge: Pick<Judge, 'layers' | 'settings'>; failed: boolean }> {
  const { session, loaded, scans, choices, options, reference, reporter } = task
  const { batch, memoryLimit, precision } = options
  const first = await firstThatLoads(task)
  const spacing = first?.spacing
  const settings = { ...judgeFlags(options), reference, batch, memoryLimit, precision, spacing }
  const judgeOn = onEach((gpu) => openJudge(gpu, loaded.network, settings))
  let judge = await session.run(judgeOn)
  const broken = new Set<MethodChoice>()
  let failed = false
  try {
    reporter.note(`${describeMemory(judge.memory)} on ${session.gpu.name}`)
    for (let from = 0; from < scans.length; from += CHUNK) {
      const chunk = await loadChunk(task, scans.slice(from, from + CHUNK))
      failed ||= chunk.failed
      for (const choice of choices) {
        if (broken.has(choice)) continue
        try {
          const label = `${choice.name} ${from + 1}-${from + chunk.inputs.size}`
          await session.run(async (gpu) => {
            judge = await judgeOn(gpu)
            await judgeChunk(task, gpu, judge, choice, chunk.inputs, label)
          })
        } catch (error) {
          if (!(error instanceof InputError)) throw error
          reporter.warn(`${choice.name}: ${error.message}`)
          broken.add(choice)
          failed = true
        }
      }
    }
  } catch (error) {
    if (!(error instanceof GpuError)) throw error
    reporter.warn(`${error.message}; what was judged before is kept`)
    failed = true
  } finally {
    judge.destroy()
  }
  return { judge, failed }
}

type Inputs = ReadonlyMap<JudgedScan, JudgedInput>

async function firstThatLoads({ loaded, scans, target, reporter }: JudgeTask): Promise<JudgedInput | undefined> {
  const quiet: Reporter = { ...reporter, warn() {} }
  for (const scan of scans) {
    const input = await loadJudged(loaded, scan, target, quiet).catch(() => undefined)
    if (input) return input
  }
  return undefined
}

/** Loads those scans of which something is missing. */
async function loadChunk(
  { loaded, target, choices, wanted, records, reporter }: JudgeTask,
  scans: readonly JudgedScan[],
): Promise<{ inputs: Inputs; failed: boolean }> {
  const inputs = new Map<JudgedScan, JudgedInput>()
  let failed = false
  for (const scan of scans) {
    const done = choices.every((choice) => lackingOf(records, choice, scan, wanted).length === 0)
    if (done) continue
    try {
      inputs.set(scan, await loadJudged(loaded, scan, target, reporter))
    } catch (error) {
      if (!(error instanceof InputError)) throw error
      reporter.warn(error.message.startsWith(scan.path) ? error.message : `${scan.path}: ${error.message}`)
      failed = true
    }
  }
  return { inputs, failed }
}

/** Measures that a method's map of a scan still lacks. */
function lackingOf(records: JudgeRecords, choice: MethodChoice, scan: JudgedScan, wanted: readonly MeasureName[]) {
  return records.missing(scan.name, choice.name, keyOfMap(choice, scan), wanted)
}

/** One method on the scans of a chunk, those together that lack the same measures. */
async function judgeChunk(
  task: JudgeTask,
  gpu: Gpu,
  judge: Judge,
  choice: MethodChoice,
  inputs: Inputs,
  label: string,
): Promise<void> {
  const groups = new Map<string, { asked: MeasureName[]; scans: JudgedScan[] }>()
  for (const scan of inputs.keys()) {
    const asked = lackingOf(task.records, choice, scan, task.wanted)
    if (asked.length === 0) continue
    const group = groups.get(asked.join()) ?? { asked, scans: [] }
    groups.set(asked.join(), group)
    group.scans.push(scan)
  }
  const { loaded, options, records, reporter } = task
  const { batch, memoryLimit, precision, seed } = options
  const making = { batch, memoryLimit, precision, seed }
  const make = (network: Network) => choice.method.make(gpu, network, choice.settings, making)
  const { classes } = loaded.network.description.recipe
  for (const { asked: wanted, scans } of groups.values()) {
    const bar = reporter.progress(label)
    const onProgress = (share: number) => bar.update(share, 1)
    try {
      const judged = scans.map((scan) => inputs.get(scan)!)
      const verdicts = await judge.judge({ name: choice.name, make }, judged, { wanted, onProgress })
      await records.add(verdicts.map((verdict, n) => recordOf(scans[n]!, choice, verdict, classes, wanted)))
    } finally {
      bar.clear()
    }
  }
}

function recordOf(
  scan: JudgedScan,
  choice: MethodChoice,
  { target, probability, values, curves }: Verdict,
  classes: readonly string[],
  asked: readonly MeasureName[],
): JudgeRecord {
  const label = scan.row?.givenLabel
  return {
    scan: scan.name,
    ...personOf(scan),
    ...(label !== undefined && { label }),
    method: choice.name,
    key: keyOfMap(choice, scan),
    target: classes[target]!,
    probability,
    values: Object.fromEntries(asked.map((name) => [name, values[name] ?? null])),
    curves,
  }
}

/**
 * The mean of the scans, for the fill `mean`: as the network's input, before residualisation.
 * @throws InputError with fewer than two scans that can be read
 */
export async function meanOfScans(
  loaded: LoadedNetwork,
  scans: readonly JudgedScan[],
  reporter: Reporter,
): Promise<Float32Array> {
  const quiet: Reporter = { ...reporter, warn() {} }
  let [sum, count]: [Float64Array | undefined, number] = [undefined, 0]
  for (const scan of scans) {
    const input = await loadJudged(loaded, { ...scan, truth: undefined }, undefined, quiet).catch(() => undefined)
    if (!input) continue
    const values = input.plain ?? input.tensor
    sum ??= new Float64Array(values.length)
    for (let i = 0; i < values.length; i++) sum[i]! += values[i]!
    count++
  }
  if (!sum || count < 2)
    throw new InputError('--fill mean needs two scans or more, or --reference <scan>, the mean image')
  return Float32Array.from(sum, (value) => value / count)
}

/** Whether any measure compares with the truth. */
export const needsTruth = (wanted: readonly MeasureName[]) => wanted.some((name) => measures[name].truth)
