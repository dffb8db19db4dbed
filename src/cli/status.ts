/** voxplain status: how it stands with an output folder of voxplain bids. */
import { resolve } from 'node:path'
import type { Command } from 'commander'
import { InputError } from '../io/errors.ts'
import { listClaims } from './bids-claims.ts'
import type { BidsCommandOptions } from './bids-options.ts'
import { bidsStates, prepareBids } from './bids-prepare.ts'
import { claimsFolder, failuresOf, runsOf } from './bids-state.ts'
import { makeReporter, type Reporter, type Terminal } from './terminal.ts'

const HELP = `
Looks at every scan that was asked for in the folder (all of them are read), and counts maps that are done, missing, or stale:
of a scan, a network or settings that have changed since. Exit code 0 when all are done, else 1.

Example:
  voxplain status maps
`

export function addStatus(program: Command, terminal: Terminal, finish: (code: number) => void): void {
  program
    .command('status')
    .description('how it stands with an output folder of voxplain bids')
    .argument('<out>', 'folder of the results')
    .option('--json', 'one JSON document on stdout')
    .addHelpText('after', HELP)
    .action(async (out: string, options: { json?: boolean }) => {
      finish(await status(resolve(out), makeReporter(terminal, options.json ?? false)))
    })
}

async function status(out: string, reporter: Reporter): Promise<number> {
  const runs = (await runsOf(out)) as { root: string; options: BidsCommandOptions }[]
  const failures = await failuresOf(out)
  /** By path of the map: two runs may have asked for the same one. */
  const maps = new Map<string, 'done' | 'missing' | 'stale'>()
  const unreadable = new Map<string, string>()
  for (const { root, options } of runs) {
    try {
      const prepared = await prepareBids({ root, out, options })
      for (const { name, error } of prepared.listed.faults) unreadable.set(name, error)
      for (const one of await bidsStates(prepared)) {
        if ('error' in one) unreadable.set(one.scan.id, one.error)
        else for (const { stem, state } of one.maps) if (maps.get(stem) !== 'done') maps.set(stem, state)
      }
    } catch (error) {
      if (!(error instanceof InputError)) throw error
      reporter.warn(`a run of ${options.network} on ${root} cannot be looked at: ${error.message}`)
    }
  }
  const count = (state: string) => [...maps.values()].filter((one) => one === state).length
  const failed = new Map([...failures, ...unreadable])
  const claims = listClaims(claimsFolder(out)).filter(({ name }) => name !== 'folder')
  const live = claims.filter(({ stale }) => !stale)
  const counts = {
    done: count('done'),
    missing: count('missing'),
    stale: count('stale'),
    failed: failed.size,
    claimed: live.length,
    abandoned: claims.length - live.length,
  }
  reporter.print(
    `${counts.done} maps done, ${counts.missing} missing, ${counts.stale} stale; scans: ${counts.failed} failed, ${counts.claimed} claimed` +
      `${counts.abandoned > 0 ? `, ${counts.abandoned} abandoned by processes that are gone` : ''}`,
  )
  for (const [name, error] of failed) reporter.print(`  failed: ${name}: ${error}`)
  for (const { name, owner } of live) {
    reporter.print(`  claimed: ${name}${owner ? ` by ${owner.host.split('/')[0]}, process ${owner.pid}` : ''}`)
  }
  reporter.document({ out, ...counts, failures: Object.fromEntries(failed), claims: live })
  return counts.missing + counts.stale + counts.failed === 0 ? 0 : 1
}
