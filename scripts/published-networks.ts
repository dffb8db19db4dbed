/**
 * All methods on two published networks (VisualAiD) that read medial temporal atrophy as Alzheimer's disease, and on the
 * template in which that atrophy was made: how much of each map lies where the grey matter was taken away?
 *
 *     npm run study:published                    all, into published/; what is in its table is not made again
 *     npm run study:published -- OUT WORDS...    some methods, as words of `voxplain explain --method`
 *
 * Needs the networks and volumes that the tests use (see test/support/data.ts).
 */
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { closeGpu, openGpu } from '../src/engine/gpu.ts'
import { explain } from '../src/explain/explain-method.ts'
import { readVolumeFile, writeFileAtomic } from '../src/io/files.node.ts'
import { encodePng, montage } from '../src/io/montage.ts'
import { type Volume, voxelToWorld } from '../src/io/volume.ts'
import { withRecipe } from '../src/model/description.ts'
import { readNetwork } from '../src/model/network-files.node.ts'
import { builtinRecipes } from '../src/model/recipe/recipe.ts'

const DATA = process.env.VOXPLAIN_DATA ?? fileURLToPath(new URL('../../shared/data', import.meta.url))
const SCAN = 'template/icbm152_gm_193x229x193_atrophy.nii.gz'
const NETWORKS = ['alexnet3d_cv8', 'resnet3d_cv8']
const WORDS = [
  'saliency',
  'inputXGradient',
  'ig:steps=10',
  'guidedBackprop',
  'deconvolution',
  'gradCam',
  'guidedGradCam',
  'deepLift',
  'lrp:epsilonPlus',
  'lrp:epsilonAlpha2Beta1',
  'lrp:epsilonPlusFlat',
  'mask',
]
const COLUMNS = [
  'network',
  'method',
  'target',
  'probability',
  'in_box',
  'of_grey_matter',
  'times',
  'peak_in_box',
  'seconds',
]

/** Where grey matter was multiplied by 0.4, in mm. */
const inBox = ([x, y, z]: readonly number[]) =>
  Math.abs(x!) > 12 && Math.abs(x!) < 42 && y! > -42 && y! < 2 && z! > -32 && z! < 2

const [out = 'published', ...given] = process.argv.slice(2)
const words = given.length > 0 ? given : WORDS
await mkdir(out, { recursive: true })
const table = join(out, 'methods.tsv')
const rows = (await readFile(table, 'utf8').catch(() => ''))
  .split('\n')
  .slice(1)
  .filter((line) => line !== '')
const scan = await readVolumeFile(join(DATA, SCAN))
const box = boxOf(scan)
const gpu = await openGpu()
for (const name of NETWORKS) {
  const { network: stored } = await readNetwork(join(DATA, 'visualaid', `${name}.hdf5`))
  const network = { ...stored, description: withRecipe(stored.description, builtinRecipes.visualaid) }
  for (const word of words) {
    if (rows.some((row) => row.startsWith(`${name}\t${word}\t`))) continue
    const began = performance.now()
    const { maps, attributions } = await explain(gpu, network, [scan], { method: word, target: 'AD' })
    const seconds = (performance.now() - began) / 1000
    const map = maps[0]!
    const probability = attributions[0]!.probabilities[1]!
    const share = shareInside(map, box)
    // What a map would have there that lies on grey matter as it comes, of what the network sees.
    const grey = shareInside({ ...scan, data: scan.data.map((v, i) => (seen(map, i) ? v : 0)) }, box)
    const numbers = [probability.toFixed(4), share.toFixed(4), grey.toFixed(4), (share / grey).toFixed(2)]
    rows.push([name, word, 'AD', ...numbers, peakInside(map, box) ? 'yes' : 'no', seconds.toFixed(0)].join('\t'))
    await writeFileAtomic(table, `${[COLUMNS.join('\t'), ...rows].join('\n')}\n`)
    const title = `${name}, ${word}: ${(100 * share).toFixed(0)} % of the positive relevance in the box of atrophy`
    await writeFileAtomic(
      join(out, `${name}_${word.replace(/\W+/g, '-')}.png`),
      encodePng(montage(scan, map, { title })),
    )
    process.stderr.write(`${rows.at(-1)}\n`)
  }
}
closeGpu(gpu)

function boxOf({ shape, affine }: Volume): Uint8Array {
  const [nx, ny, nz] = shape as [number, number, number]
  const flags = new Uint8Array(nx * ny * nz)
  let i = 0
  for (let z = 0; z < nz; z++)
    for (let y = 0; y < ny; y++) for (let x = 0; x < nx; x++) flags[i++] = inBox(voxelToWorld(affine, x, y, z)) ? 1 : 0
  return flags
}

/** Voxels of the scan that the network's crop holds: the crop of the recipe, x 12:181, y 13:221, z 0:179. */
function seen({ shape }: Volume, i: number): boolean {
  const [nx, ny] = shape as [number, number, number]
  const at = [i % nx, Math.floor(i / nx) % ny, Math.floor(i / (nx * ny))]
  return builtinRecipes.visualaid.crop!.every(([from, to], a) => at[a]! >= from && at[a]! < to)
}

function shareInside({ data }: Volume, inside: Uint8Array): number {
  let [within, all] = [0, 0]
  data.forEach((v, i) => {
    if (v <= 0) return
    all += v
    if (inside[i]) within += v
  })
  return within / all
}

function peakInside({ data }: Volume, inside: Uint8Array): boolean {
  let best = 0
  for (let i = 1; i < data.length; i++) if (data[i]! > data[best]!) best = i
  return inside[best] === 1
}
