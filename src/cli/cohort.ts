/** voxplain cohort: what a table of scans holds, and all that is wrong with it. */
import type { Command } from 'commander'
import type { Cohort } from '../io/cohort/cohort.ts'
import { openCheckedCohort } from '../io/cohort/cohort-check.node.ts'
import type { CohortReport } from '../io/cohort/cohort-check.ts'
import type { GroupSummary } from '../io/cohort/cohort-summary.ts'
import { describeGrid, orientationName } from '../io/cohort/grid-difference.ts'
import { voxelSize } from '../io/volume.ts'
import { addCohortOptions, type CohortCommandOptions, cohortOptions } from './cohort-options.ts'
import { formatTable, makeReporter, type Reporter, type Terminal } from './terminal.ts'

const HELP = `
Exit codes: 0 the cohort is sound; 1 it is not, and every problem was listed; 2 there is no cohort to check.

Examples:
  voxplain cohort phantom/participants.tsv --covariates age,sex,tiv
  voxplain cohort adni.tsv --caps caps --label AD=1,CN=0 --drop-unmapped
  voxplain cohort participants.tsv --bids derivatives/cat12 --pattern 'mri/mwp1*.nii'
`

export function addCohort(program: Command, terminal: Terminal, finish: (code: number) => void): void {
  const command = program
    .command('cohort')
    .description('check a table of scans before any work: counts, and everything that is wrong')
    .argument('<table>', 'participants.tsv of BIDS, a ClinicaDL TSV, or CSV')
  addCohortOptions(command)
    .option('--json', 'one JSON document on stdout')
    .addHelpText('after', HELP)
    .action(async (table: string, options: CohortCommandOptions & { json?: boolean }) => {
      finish(await checkTable(table, options, makeReporter(terminal, options.json ?? false)))
    })
}

async function checkTable(table: string, options: CohortCommandOptions, reporter: Reporter): Promise<number> {
  const { cohort, report } = await openCheckedCohort(table, cohortOptions(options))
  reporter.document(documentOf(cohort, report))
  printSummary(cohort, report, reporter)
  for (const note of report.notes) reporter.note(note)
  for (const [n, { message, rows }] of report.problems.entries()) {
    reporter.print(`\nproblem ${n + 1} of ${report.problems.length}: ${message}`)
    for (const { name, detail } of rows) reporter.print(`  ${name}${detail ? `: ${detail}` : ''}`)
  }
  return report.problems.length > 0 ? 1 : 0
}

function documentOf(cohort: Cohort, { problems, notes, summary, covariates }: CohortReport) {
  const { grid, ...counts } = summary
  return {
    table: cohort.name,
    sound: problems.length === 0,
    labelColumn: cohort.labelColumn ?? null,
    classes: cohort.classes,
    scansFrom: cohort.source ?? null,
    summary: counts,
    grid: grid
      ? {
          shape: grid.shape,
          voxelSize: voxelSize(grid.affine),
          orientation: orientationName(grid.affine),
          affine: grid.affine,
        }
      : null,
    covariates: covariates?.names.map((name, k) => ({ name, column: covariates.columns[k] })) ?? [],
    leftOut: cohort.leftOut.map(({ row, reason }) => ({ line: row.line, participant: row.participant, reason })),
    notes,
    problems,
  }
}

function printSummary(cohort: Cohort, { summary, covariates }: CohortReport, reporter: Reporter): void {
  const sessions = summary.sessions.map(({ session }) => session)
  const rows = [...summary.classes, ...(summary.classes.length === 1 ? [] : [{ ...summary, label: 'all' }])]
  // Many sessions would make a table that nobody can read.
  const told = sessions.length > 1 && sessions.length <= MOST_SESSIONS ? sessions : []
  const heads = ['class', 'participants', 'scans', ...told, 'women', 'men', 'age', 'range']
  const right = heads.map((_, column) => column).slice(1)
  const cells = (group: GroupSummary) => [
    group.label ?? '(none)',
    String(group.participants),
    String(group.scans),
    ...told.map((session) => String(group.sessions.find((own) => own.session === session)?.scans ?? 0)),
    group.sex ? String(group.sex.female) : '-',
    group.sex ? String(group.sex.male) : '-',
    group.age ? `${group.age.mean.toFixed(1)} +- ${group.age.deviation.toFixed(1)}` : '-',
    group.age ? `${group.age.min.toFixed(1)} to ${group.age.max.toFixed(1)}` : '-',
  ]
  for (const line of formatTable([heads, ...rows.map(cells)], right)) reporter.print(line)
  if (sessions.length > MOST_SESSIONS)
    reporter.print(`sessions    ${sessions.length}, ${sessions[0]} to ${sessions.at(-1)}`)
  reporter.print(`labels      ${cohort.labelColumn ? `column ${cohort.labelColumn}` : 'none'}`)
  reporter.print(`scans       ${cohort.source}`)
  reporter.print(`grid        ${summary.grid ? describeGrid(summary.grid) : 'no scan could be read'}`)
  if (covariates) {
    const names = covariates.names.map((name, k) =>
      name === covariates.columns[k] ? name : `${name} (column ${covariates.columns[k]})`,
    )
    reporter.print(`covariates  ${names.join(', ')}`)
  }
}

const MOST_SESSIONS = 6
