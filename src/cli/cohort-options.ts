/** Options about cohorts, the same for every command that takes one. */
import { type Command, Option } from 'commander'
import type { CohortOptions } from '../io/cohort/cohort.ts'
import type { CheckOptions } from '../io/cohort/cohort-check.ts'
import type { ScanSource } from '../io/cohort/cohort-files.node.ts'
import type { MissingPolicy } from '../io/cohort/covariates.ts'
import { listOption, numberOption } from './options.ts'

export interface CohortCommandOptions {
  label?: string
  labelColumn?: string
  classes?: string[]
  dropUnmapped?: boolean
  path?: string
  bids?: string
  caps?: string
  modulated?: 'on' | 'off'
  fwhm?: number
  pattern?: string
  covariates?: string[]
  missing: MissingPolicy
}

/** Adds them to a command. */
export function addCohortOptions(command: Command): Command {
  return command
    .option('--label <mapping>', 'classes of labels: AD=1,CN=0, or AD=patient,MCI=patient,CN=control')
    .option('--label-column <column>', 'column of the labels (default: diagnosis, label or group)')
    .option('--classes <names>', 'classes in order, where each label is one (default: controls first)', listOption)
    .option('--drop-unmapped', 'leave out rows whose label is missing or in no class')
    .option('--path <column>', "column of the scans' paths, relative to the table (default: path, scan, filename, ...)")
    .option('--bids <folder>', 'BIDS derivatives that hold the scans: grey-matter probseg files, or mwp1 of CAT12')
    .option('--caps <folder>', 'CAPS folder of Clinica that holds the scans (t1-volume)')
    .addOption(new Option('--modulated <state>', 'which maps of a CAPS folder (default: on)').choices(['on', 'off']))
    .addOption(
      new Option('--fwhm <mm>', 'smoothing of the maps of a CAPS folder (default: none)').argParser(numberOption(0)),
    )
    .option('--pattern <glob>', "which files, below that folder or the table's own: '*_label-GM_probseg.nii.gz'")
    .option('--covariates <names>', 'covariates that every row needs: age,sex,tiv,field_strength, ...', listOption)
    .addOption(
      new Option('--missing <policy>', 'of a missing covariate: refuse the table, drop the row, or use the mean')
        .choices(['refuse', 'drop', 'mean'])
        .default('refuse'),
    )
}

/** What they ask for, in the words of openCheckedCohort. */
export function cohortOptions(options: CohortCommandOptions): CohortOptions & ScanSource & CheckOptions {
  const { label, dropUnmapped, labelColumn, classes, path, bids, caps, modulated, fwhm, pattern } = options
  return {
    labelColumn,
    labels: label,
    classes,
    unmapped: dropUnmapped ? 'drop' : 'refuse',
    path,
    bids,
    caps,
    modulated,
    fwhm,
    pattern,
    covariates: options.covariates,
    missing: options.missing,
  }
}
