/**
 * `npm run study:relevance`: shows on phantoms that relevance follows anatomy where a network has learned it, and which methods
 * find the same with random weights (Dyrba et al. 2021, figure of hippocampal volume). A network is trained on residuals of one
 * cohort and explained on another that it has not seen.
 *
 * Options: --out DIR (default study), --voxel MM (4), --method NAMES (lrp,lrp:dyrba,mask), --random COUNT (5), --subjects COUNT
 * (160, to learn from), --people COUNT (60, to explain), --epochs COUNT (8). Everything goes on where it was.
 */
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { cohort, run, TRAINING, writeNetwork } from './steps.ts'

const { values } = parseArgs({
  options: {
    out: { type: 'string', default: 'study' },
    voxel: { type: 'string', default: '4' },
    method: { type: 'string', default: 'lrp,lrp:dyrba,mask' },
    random: { type: 'string', default: '5' },
    subjects: { type: 'string', default: '160' },
    people: { type: 'string', default: '60' },
    epochs: { type: 'string', default: '8' },
  },
})
const { out, voxel, method, random, subjects, people, epochs } = values
const COVARIATES = 'age,sex,tiv'

const learned = join(out, 'learned')
const table = await cohort(learned, '--subjects', subjects, '--groups', 'CN,AD', '--voxel', voxel, '--seed', '1')
const folder = join(out, 'unseen')
const unseen = await cohort(folder, '--subjects', people, '--groups', 'CN,MCI,AD', '--voxel', voxel, '--seed', '21')
const { layers, recipe } = await writeNetwork(out, Number(voxel))
const network = join(out, 'network.safetensors')
if (!existsSync(network)) {
  const built = ['--architecture', layers, '--recipe', recipe, '--residualise', COVARIATES, '--seed', '1']
  await run('train', table, '--out', network, ...built, '--epochs', epochs, '--validation', '0.2', ...TRAINING)
}
const atlas = join(folder, 'atlas-phantom_space-MNI152_dseg.nii.gz')
const asked = ['--atlas', atlas, '--regions', 'hippocampus', '--method', method, '--random', random]
const seconds = await run('study', 'relevance', unseen, '--network', network, ...asked, '--out', join(out, 'relevance'))
const { classification } = JSON.parse(await readFile(join(out, 'relevance', 'relevance.json'), 'utf8'))
for (const { name, auc } of classification.contrasts) {
  process.stdout.write(`AUC of the network, ${name}: ${auc.value?.toFixed(3) ?? '-'}\n`)
}
process.stdout.write(`the study took ${seconds.toFixed(0)} s\n`)
