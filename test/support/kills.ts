/** Commands that are killed and started again, on data small enough to do that often (Node only). */
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { writeVolume } from '../../src/io/nifti.ts'
import { formatPredictions } from '../../src/model/evaluation/predictions.ts'
import { saveNetwork } from '../../src/model/formats/format.ts'
import { bidsData, filesOf, lineNetwork, text, writeLine } from './bids.ts'
import { type Place, SIZE, tinyScan } from './cli.ts'

export interface Killed {
  readonly name: string
  /** @param goesOn whether the file that `goesOn` names is there */
  argv(folder: string, goesOn: boolean): string[]
  /** A file that makes the command go on where it was. */
  goesOn?(folder: string): string
  /** Files that tell about the run and not about its results. */
  readonly aside?: RegExp
}

const CLASSES = ['CN', 'AD']
const SCANS = 8

export async function commandsToKill(place: Place): Promise<Killed[]> {
  const network = await writeLine(place)
  const data = await bidsData(place, 'data', SCANS)
  const scans = Array.from({ length: SCANS }, (_, n) => {
    const id = `sub-${String(n + 1).padStart(2, '0')}`
    return { id, path: `${id}/anat/${id}_space-MNI152_desc-smooth_label-GM_probseg.nii.gz`, label: CLASSES[n % 2]! }
  })
  const rows = scans.map(({ id, path, label }) => `${id}\t${label}\tdata/${path}\n`)
  const table = await text(place, 'table.tsv', `participant_id\tdiagnosis\tpath\n${rows.join('')}`)
  const head = [
    { type: 'flatten', name: 'flatten' },
    { type: 'dense', name: 'output', units: 'classes' },
  ]
  const layers = await text(place, 'layers.json', JSON.stringify({ name: 'line', layers: head }))
  const networks = await studyNetworks(place, scans)
  const atlas = await slabs(place)
  const explainAll = ['--method', 'saliency', '--target', 'AD', '--batch', '2']
  return [
    {
      name: 'explain',
      argv: (out) => ['explain', network, ...scans.map(({ path }) => join(data, path)), ...explainAll, '--out', out],
    },
    {
      name: 'bids',
      argv: (out) => ['bids', data, out, 'participant', '--network', network, ...explainAll],
      aside: /^\.voxplain\/(runs|failed)\//,
    },
    {
      name: 'train',
      argv: (out, goesOn) => [
        ...['train', table, '--out', join(out, 'net.safetensors'), '--architecture', layers, '--epochs', '12'],
        ...['--batch', '2', '--seed', '3', '--validation', '0.25', ...(goesOn ? ['--resume'] : [])],
      ],
      goesOn: (out) => join(out, 'net.safetensors.checkpoint'),
    },
    {
      name: 'study',
      argv: (out) => [
        ...['study', 'robustness', table, '--networks', networks, '--atlas', atlas, '--out', out, '--below', '1'],
        ...['--grid', '0.02,0.1x0.1', '--iterations', '8', '--starts', '1', '--top', '2', '--permutations', '50'],
        ...['--resolution', '4', '--fill', 'zero'],
      ],
      aside: /^times\.tsv$/,
    },
  ]
}

/** Hash of every file, in records without the seconds that it took; temporary files and claims are files, too. */
export async function whatIsLeft(folder: string, { aside }: Killed): Promise<Record<string, string>> {
  const names = (await filesOf(folder)).filter((name) => !aside?.test(name))
  const hash = async (name: string) => {
    const bytes = await readFile(join(folder, name))
    const record = name.endsWith('.json') ? bytes.toString().replace(/"seconds": [\d.e-]+/g, '"seconds": 0') : bytes
    return [name, createHash('sha256').update(record).digest('hex')] as const
  }
  return Object.fromEntries(await Promise.all(names.map(hash)))
}

/** A folder as of voxplain cv, of networks that were never trained. */
async function studyNetworks(place: Place, scans: readonly { id: string; label: string }[]): Promise<string> {
  for (const fold of [0, 1]) {
    for (const run of [0, 1]) {
      const own = `cv/fold-${fold}/run-${run}`
      await place.file(`${own}/network.safetensors`, saveNetwork(lineNetwork(10 * fold + run + 1)))
      const tested = scans.filter((_, n) => n < SCANS / 2 === (fold === 0))
      const rows = tested.map(({ id, label }) => ({
        participant: id,
        trueLabel: label,
        predictedLabel: 'CN',
        probabilities: [0.6, 0.4],
      }))
      await text(place, `${own}/predictions.tsv`, formatPredictions({ classes: CLASSES, rows }))
      await text(place, `${own}/metrics.json`, '{}')
    }
  }
  return join(place.folder, 'cv')
}

/** An atlas of four slabs. */
async function slabs(place: Place): Promise<string> {
  const scan = tinyScan(1)
  const data = scan.data.map((_, v) => 1 + Math.floor((4 * (v % SIZE[0])) / SIZE[0]))
  const names = ['left', 'middle left', 'middle right', 'right'].map((name, n) => `${n + 1}\t${name}\n`)
  await text(place, 'atlas.tsv', `index\tname\n${names.join('')}`)
  return place.file('atlas.nii', writeVolume({ ...scan, data }))
}
