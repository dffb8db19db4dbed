/** voxplain bids: a data set through networks, as the BIDS apps do it. */
import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Argument, type Command } from 'commander'
import { BIDS_IGNORE, datasetDescription } from '../io/bids/dataset.ts'
import { InputError } from '../io/errors.ts'
import { writeFileAtomic } from '../io/files.node.ts'
import { listClaims } from './bids-claims.ts'
import { bidsGroup } from './bids-group.ts'
import { addBidsOptions, type BidsCommandOptions, type BidsLevel, checkBids } from './bids-options.ts'
import { absoluteOptions, type BidsRequest, bidsStates, prepareBids } from './bids-prepare.ts'
import { claimsFolder, noteRun, openState, withFolder } from './bids-state.ts'
import { watchStop } from './bids-stop.ts'
import { networkName, sidecarOf, spatialReferenceOf } from './bids-task.ts'
import { explainShared, giveUp, type SharedWork } from './bids-work.ts'
import type { About } from './explain-files.ts'
import { commonFlags, type ExplainCommandOptions } from './explain-options.ts'
import { describeGpu, versions, withSession } from './gpu.ts'
import { formatJson } from './json.ts'
import { exitCode } from './scans.ts'
import { makeReporter, type Reporter, type Terminal } from './terminal.ts'

const HELP = `
Reads *_probseg.nii.gz (label GM) of BIDS derivatives, mwp1* of CAT12, or t1-volume of a CAPS folder. Writes BIDS derivatives:
sub-*/[ses-*/]anat/*_desc-<method>_relevance.nii.gz, .json and .png; level group: means, t-maps, tables and index.html in group/.
Maps that are there, of the same scan, network and settings, are kept. Several processes may work on one folder: each scan is
made by one of them. On SIGTERM the scans in work are finished or given up within 5 s; exit code 143.

Examples:
  voxplain bids bids/derivatives/cat12 maps participant --network network.safetensors --method ig,mask --target AD
  voxplain bids caps maps participant --network network.safetensors --participant-label 01 02 --dry-run
  voxplain bids caps maps participant --network network.safetensors --shard $SLURM_ARRAY_TASK_ID/8
  voxplain bids caps maps group --atlas aal.nii.gz
  voxplain status maps
`

export function addBids(program: Command, terminal: Terminal, finish: (code: number) => void): void {
  const command = program
    .command('bids')
    .description('maps of a whole BIDS or CAPS data set, resumable and divisible')
    .argument('<data set>', 'BIDS derivatives or CAPS folder')
    .argument('<out>', 'folder of the results, itself a BIDS derivative')
    .addArgument(new Argument('<level>', 'each scan, or all of them together').choices(['participant', 'group']))
  addBidsOptions(command)
  command
    .addHelpText('after', HELP)
    .action(async (root: string, out: string, level: BidsLevel, options: BidsCommandOptions) => {
      checkBids(level, options)
      const request = { root: resolve(root), out: resolve(out), options: absoluteOptions(options) }
      const reporter = makeReporter(terminal, options.json ?? false)
      const asked = command.getOptionValueSource('method') === 'cli'
      if (level === 'group') finish(await bidsGroup(request, asked, reporter))
      else finish(await (options.dryRun ? dryRun(request, reporter) : participants(request, reporter)))
    })
}

async function participants(request: BidsRequest, reporter: Reporter): Promise<number> {
  const { root, out, options } = request
  const prepared = await prepareBids(request)
  const { loaded, plan, polish, atlas, listed, scans } = prepared
  const claims = await openState(out)
  const parts: SharedWork['parts'] = new Map()
  const work: { current: SharedWork | undefined } = { current: undefined }
  const stop = watchStop(
    () => work.current && giveUp(out, work.current),
    (text) => reporter.warn(text),
  )
  work.current = { scans, claims, stop, parts }
  try {
    await withFolder(out, claims, () => writeDataset(request))
    for (const note of [...loaded.notes, ...listed.notes]) reporter.note(note)
    for (const { name, error } of listed.faults) reporter.warn(`${name}: ${error}`)
    if (options.shard) reporter.note(`part ${options.shard.index} of ${options.shard.of}: ${scans.length} scans`)
    if (scans.length === 0) return finishRun([], undefined)
    const references = new Map(
      await Promise.all(scans.map(async ({ path }) => [path, await spatialReferenceOf(path)] as const)),
    )
    return await withSession(async (session) => {
      const network = { name: networkName(options.network!), sha256: prepared.sha256 }
      const about: About = {
        network: options.network!,
        loaded,
        ...describeGpu(session.gpu),
        describe(report, made) {
          const { scan, parts: own } = parts.get(made.stem)!
          return sidecarOf(report, made, scan, { parts: own, spatialReference: references.get(scan.path), network })
        },
      }
      const flags = commonFlags({ ...options, out } as ExplainCommandOptions)
      const task = { ...plan, session, about, flags, force: options.force ?? false, polish, atlas, reporter }
      const { outcomes, broken } = await explainShared(task, work.current!)
      return finishRun(outcomes, broken)
    }, reporter)
  } finally {
    stop.close()
    claims.close()
  }

  function finishRun(
    outcomes: Awaited<ReturnType<typeof explainShared>>['outcomes'],
    broken: string | undefined,
  ): number {
    const failed = outcomes.flatMap((one) => ('error' in one ? [{ scan: one.scan, error: one.error }] : []))
    const told = [...listed.faults.map(({ name, error }) => ({ scan: name, error })), ...failed]
    const maps = outcomes.length - failed.length
    reporter.print(`${maps} maps of ${scans.length} scans are there in ${out}`)
    if (broken !== undefined) reporter.warn(`ended early: ${broken}; make room and run the same command again`)
    if (told.length > 0) {
      reporter.warn(`${told.length} failed:`)
      for (const { scan, error } of told) reporter.warn(`  ${error.startsWith(scan) ? error : `${scan}: ${error}`}`)
    }
    reporter.document({ out, dataset: root, maps, failed: told, stopped: stop.signal() ?? null })
    return stop.code() || (told.length > 0 ? 1 : exitCode(outcomes))
  }
}

/** What belongs to the data set as a whole. Files that are as they should be are left alone. */
async function writeDataset({ root, out, options }: BidsRequest): Promise<void> {
  const sourceDescription = await readFile(join(root, 'dataset_description.json'), 'utf8')
    .then(JSON.parse)
    .catch(() => ({}))
  const about = { version: versions().voxplain, source: pathToFileURL(root).href, sourceDescription }
  await writeChanged(join(out, 'dataset_description.json'), formatJson(datasetDescription(about)), root)
  await writeChanged(join(out, '.bidsignore'), BIDS_IGNORE)
  const { shard: _, dryRun: __, force: ___, json: ____, batch: _____, memoryLimit: ______, ...told } = options
  const { network, method, target, participantLabel, sessionLabel } = options
  await noteRun(out, { root, network, method, target, participantLabel, sessionLabel }, { root, options: told })
}

async function writeChanged(path: string, text: string, root?: string): Promise<void> {
  const before = await readFile(path, 'utf8').catch(() => undefined)
  if (before === text) return
  if (root !== undefined && before !== undefined && !/"voxplain"/.test(before)) {
    throw new InputError(`${path} is of another data set; choose an output folder of its own`)
  }
  await writeFileAtomic(path, text)
}

async function dryRun(request: BidsRequest, reporter: Reporter): Promise<number> {
  const prepared = await prepareBids(request)
  const claimed = new Map(
    listClaims(claimsFolder(request.out)).flatMap(({ name, owner, stale }) =>
      stale ? [] : [[name, owner && `${owner.host.split('/')[0]}, process ${owner.pid}`]],
    ),
  )
  for (const note of [...prepared.loaded.notes, ...prepared.listed.notes]) reporter.note(note)
  const states = await bidsStates(prepared)
  const count = { done: 0, missing: 0, stale: 0 }
  const rows = states.map((one) => {
    const { id } = one.scan
    if ('error' in one) {
      reporter.print(`${id}: cannot be read: ${one.error}`)
      return { scan: id, error: one.error }
    }
    const by = claimed.get(id)
    const held = claimed.has(id) ? ` (now worked on by ${by ?? 'another process'})` : ''
    for (const { desc, state, changed } of one.maps) {
      const why = state === 'stale' ? `, changed: ${changed!.join(', ')}` : ''
      count[state]++
      if (state !== 'done') reporter.print(`${id} ${desc}: ${state}${why}${held}`)
    }
    return { scan: id, maps: one.maps.map(({ desc, state, changed }) => ({ desc, state, changed })) }
  })
  for (const { name, error } of prepared.listed.faults) reporter.print(`${name}: ${error}`)
  reporter.print(
    `${count.missing + count.stale} maps would be made (${count.missing} missing, ${count.stale} stale), ${count.done} kept`,
  )
  reporter.document({ ...count, scans: rows, failed: prepared.listed.faults })
  return prepared.listed.faults.length > 0 || states.some((one) => 'error' in one) ? 1 : 0
}
