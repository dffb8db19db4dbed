/** voxplain study: what networks of a cross-validation say together. */
import type { Command } from 'commander'
import { addRelevance } from './study-relevance.ts'
import { addRobustness } from './study-robustness.ts'
import type { Terminal } from './terminal.ts'

export function addStudy(program: Command, terminal: Terminal, finish: (code: number) => void): void {
  const study = program
    .command('study')
    .description('studies of networks and cohorts, with figures, tables and a report')
  addRobustness(study, terminal, finish)
  addRelevance(study, terminal, finish)
}
