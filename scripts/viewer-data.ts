/** The scans, networks and maps that the viewer starts with: phantoms that no network has seen, made anew in every build. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { closeGpu, openGpu } from '../src/engine/gpu.ts'
import { explain } from '../src/explain/explain-method.ts'
import { writeVolume } from '../src/io/nifti.ts'
import { formatTsv } from '../src/io/tsv.ts'
import type { Volume } from '../src/io/volume.ts'
import { loadNetwork, saveNetwork } from '../src/model/formats/format.ts'
import type { PhantomParticipant, PhantomSubject } from '../src/phantom/cohort.ts'
import { CLASSES, cohort, covariatesOf, withResiduals } from '../viewer/data/recipe.ts'
import type { ManifestMap } from '../viewer/shared/manifest.ts'

/** Of the held-out subjects: patients and controls by turns. */
const SHOWN = [123, 122, 133, 124, 121, 130]

const networkFile = (name: string) => readFileSync(fileURLToPath(new URL(`../viewer/data/${name}`, import.meta.url)))

/**
 * Writes the files and their manifest.
 * @param folder where; made if it is missing
 */
export async function writeViewerData(folder: string): Promise<void> {
  mkdirSync(folder, { recursive: true })
  const people = cohort()
  const write = (name: string, content: Uint8Array | string) => {
    writeFileSync(join(folder, name), content)
    return name
  }
  const network = loadNetwork(networkFile('phantom.safetensors'))
  const residual = await withResiduals(loadNetwork(networkFile('phantom-residual.safetensors')), people)
  write('phantom.safetensors', saveNetwork(network))
  write('phantom-residual.safetensors', saveNetwork(residual))
  write('atlas.nii.gz', writeVolume(people.atlas, { gzip: true }))
  write('atlas.tsv', formatTsv(['index', 'name'], people.labels))

  const gpu = await openGpu()
  const chosen = SHOWN.map((n) => people.subject(n))
  // Everybody is explained for the patients' class, so that maps can be compared.
  const make = async (method: string, some: readonly PhantomSubject[]) => {
    const { maps } = await explain(
      gpu,
      network,
      some.map(({ scan }) => scan),
      { method, target: CLASSES[1] },
    )
    return new Map(some.map((person, k) => [person, maps[k]!]))
  }
  const relevance = await make('lrp', chosen)
  const masks = await make(
    'mask',
    chosen.filter(({ participant }) => participant.diagnosis === CLASSES[1]),
  )
  closeGpu(gpu)

  const subjects = []
  const entries: ManifestMap[] = []
  for (const person of chosen) {
    const { participant, scan, atrophy } = person
    const id = participant.participant_id
    const add = (kind: string, name: string, signed: boolean, volume: Volume, description: string, max?: number) => {
      const file = write(`${id}_${kind}.nii.gz`, writeVolume(volume, { gzip: true, description }))
      entries.push({ id: `${id}-${kind}`, name, subject: id, file, signed, max })
    }
    const file = write(`${id}.nii.gz`, writeVolume(scan, { gzip: true }))
    subjects.push({ id, name: nameOf(participant), scan: file, covariates: covariatesOf(participant) })
    const mask = masks.get(person)
    if (mask) add('mask', `Perturbation mask, ${CLASSES[1]}`, false, mask, `voxplain mask ${CLASSES[1]}`, 1)
    add('lrp', `Layer-wise relevance, ${CLASSES[1]}`, true, relevance.get(person)!, `voxplain lrp ${CLASSES[1]}`)
    if (mask) add('truth', 'Grey matter truly lost', false, atrophy, 'phantom atrophy')
  }
  const manifest = {
    format: 'voxplain-viewer',
    title: 'Phantom cohort',
    atlas: { volume: 'atlas.nii.gz', names: 'atlas.tsv' },
    subjects,
    networks: [
      { id: 'phantom', name: 'Grey matter', file: 'phantom.safetensors' },
      {
        id: 'phantom-residual',
        name: 'Grey matter, age, sex and head size taken off',
        file: 'phantom-residual.safetensors',
      },
    ],
    maps: entries,
    start: { subject: subjects[0]!.id, network: 'phantom', map: entries[0]!.id },
  }
  write('manifest.json', `${JSON.stringify(manifest, undefined, 2)}\n`)
}

function nameOf({ participant_id, diagnosis, age, sex }: PhantomParticipant): string {
  return `${participant_id} (${diagnosis}, ${Math.round(age)}, ${sex})`
}
