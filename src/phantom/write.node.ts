/** The phantom cohort as a BIDS-derivatives-like folder of NIfTI files and tables (Node only). */
import { access, mkdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { InputError } from '../io/errors.ts'
import { writeFileAtomic } from '../io/files.node.ts'
import { writeVolume } from '../io/nifti.ts'
import { formatTsv } from '../io/tsv.ts'
import { greyMatterMl, type PhantomOptions, type PhantomParticipant, phantomCohort } from './cohort.ts'

export interface WritePhantomOptions extends PhantomOptions {
  /** Called after each subject with the number of subjects written. */
  onProgress?: (done: number, total: number) => void
}

/** A row of `participants.tsv`. */
export interface PhantomRow extends PhantomParticipant {
  /** Grey matter in the scan, ml. */
  readonly gm_ml: number
  /** Grey matter that the disease took, ml. */
  readonly gm_lost_ml: number
  /** The scan, relative to the folder. */
  readonly path: string
  /** The true atrophy map, relative to the folder. */
  readonly atrophy_path: string
}

const COLUMNS: Readonly<Record<keyof PhantomRow, Readonly<Record<string, unknown>>>> = {
  participant_id: { Description: 'Name of the made-up person' },
  age: { Description: 'Age', Units: 'year' },
  sex: { Description: 'Sex', Levels: { F: 'female', M: 'male' } },
  diagnosis: {
    Description: 'Diagnosis',
    Levels: { CN: 'cognitively normal', MCI: 'mild cognitive impairment', AD: "Alzheimer's disease" },
  },
  tiv_ml: { Description: 'Total intracranial volume', Units: 'mL' },
  subtype: { Description: 'Pattern of atrophy; n/a for controls' },
  severity: { Description: 'Factor on the losses of the pattern; 0 for controls' },
  asymmetry: { Description: 'Losses are larger by this fraction on the left and smaller by it on the right' },
  hippocampus_loss_left: { Description: 'Fraction of grey matter that the disease took from the left hippocampus' },
  hippocampus_loss_right: { Description: 'Fraction of grey matter that the disease took from the right hippocampus' },
  gm_ml: { Description: 'Grey matter in the scan', Units: 'mL' },
  gm_lost_ml: { Description: 'Grey matter that the disease took', Units: 'mL' },
  path: { Description: 'Grey-matter map, relative to this folder' },
  atrophy_path: { Description: 'Map of the grey matter that the disease took, relative to this folder' },
}

const DESCRIPTION = {
  Name: 'voxplain phantom cohort: computer-made grey-matter maps with known atrophy',
  BIDSVersion: '1.9.0',
  DatasetType: 'derivative',
  GeneratedBy: [{ Name: 'voxplain', Description: 'voxplain phantom' }],
}

const json = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`

/**
 * Writes the cohort into `outDir` (made if it is missing), one subject at a time, the participants table last: a folder with
 * a table is complete. The same options give the same bytes.
 *
 *     dataset_description.json  participants.tsv  participants.json
 *     atlas-phantom_space-MNI152_dseg.nii.gz and .tsv (index, name)
 *     sub-001/anat/sub-001_space-MNI152_desc-phantom_label-GM_probseg.nii.gz
 *     sub-001/anat/sub-001_space-MNI152_desc-atrophy_label-GM_probseg.nii.gz
 *
 * An earlier phantom in the folder is written over; its table goes first, so that a table never speaks of other scans.
 *
 * @returns the rows of the participants table
 * @throws InputError for an option out of range, a folder that cannot be written, or one that holds another data set
 */
export async function writePhantom(outDir: string, options: WritePhantomOptions = {}): Promise<PhantomRow[]> {
  const cohort = phantomCohort(options)
  await makeFolder(outDir)
  await clearEarlier(outDir)
  const write = (name: string, content: Uint8Array | string) => writeFileAtomic(join(outDir, name), content)
  await write('dataset_description.json', json(DESCRIPTION))
  await write(`${ATLAS_STEM}.nii.gz`, writeVolume(cohort.atlas, { gzip: true }))
  await write(`${ATLAS_STEM}.tsv`, formatTsv(['index', 'name'], cohort.labels))
  const rows: PhantomRow[] = []
  for (const { participant, scan, atrophy } of cohort.subjects()) {
    const id = participant.participant_id
    const folder = `${id}/anat`
    const path = `${folder}/${id}_space-MNI152_desc-phantom_label-GM_probseg.nii.gz`
    const atrophyPath = `${folder}/${id}_space-MNI152_desc-atrophy_label-GM_probseg.nii.gz`
    await makeFolder(join(outDir, folder))
    await write(path, writeVolume(scan, { gzip: true }))
    await write(atrophyPath, writeVolume(atrophy, { gzip: true }))
    const ml = { gm_ml: Number(greyMatterMl(scan).toFixed(2)), gm_lost_ml: Number(greyMatterMl(atrophy).toFixed(2)) }
    rows.push({ ...participant, ...ml, path, atrophy_path: atrophyPath })
    options.onProgress?.(rows.length, cohort.options.subjects)
  }
  await write('participants.json', json(COLUMNS))
  await write(
    'participants.tsv',
    formatTsv(
      Object.keys(COLUMNS),
      rows.map((row) => ({ ...row })),
    ),
  )
  return rows
}

/** Stem of the atlas files in the folder. */
const ATLAS_STEM = 'atlas-phantom_space-MNI152_dseg'

async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true })
  } catch (error) {
    const reason = (error as Error).message
    throw new InputError(`cannot make the folder ${path} (${reason}); choose another output folder`, { cause: error })
  }
}

/** Takes the table of an earlier phantom away; a data set that is none of ours is left alone. */
async function clearEarlier(outDir: string): Promise<void> {
  const table = join(outDir, 'participants.tsv')
  const there = await access(table).then(
    () => true,
    () => false,
  )
  if (!there) return
  const description = await readFile(join(outDir, 'dataset_description.json'), 'utf8').catch(() => '')
  if (!description.includes(DESCRIPTION.Name)) {
    throw new InputError(`${outDir} holds the participants.tsv of another data set; choose another output folder`)
  }
  await rm(table)
}
