/** The demo's page: what was done, how good the network is, what the masks show, in plain words. */
import { readFileSync } from 'node:fs'
import type { MaskResult } from '../src/explain/mask.ts'
import { bar, fact, facts, figure, type Html, html, lineChart, page, table } from '../src/io/page.ts'
import { summarise } from '../src/model/summary.ts'
import type { TrainResult } from '../src/model/training/train.ts'
import type { PhantomRow } from '../src/phantom/write.node.ts'
import { GREY, LOST, type RegionDensity, timesChance } from './demo-measure.ts'

export interface MaskReport {
  readonly title: string
  readonly subjects: readonly PhantomRow[]
  readonly maskPng: Uint8Array
  readonly truthPng: Uint8Array
  /** Mean P(AD) of the scans as they are, and masked. */
  readonly before: number
  readonly after: number
  /** See demo-measure.ts. */
  readonly inside: number
  readonly chance: number
  readonly regions: readonly RegionDensity[]
  readonly result: MaskResult
}

export interface Demo {
  /** Adapter. */
  readonly gpu: string
  readonly size: { readonly voxelMm: number; readonly split: readonly [number, number, number] }
  readonly trained: TrainResult
  readonly tested: {
    readonly matrix: readonly (readonly number[])[]
    readonly balancedAccuracy: number
    readonly auc: number
  }
  readonly heldOut: number
  readonly masks: readonly MaskReport[]
  readonly phases: readonly { readonly name: string; readonly seconds: number }[]
  readonly seconds: number
}

const percent = (share: number) => `${(100 * share).toFixed(share < 0.095 ? 1 : 0)} %`
const side = (name: string) =>
  name
    .replace(/_L$/, ', left')
    .replace(/_R$/, ', right')
    .replaceAll('_', ' ')
    .replace('ParaHippocampal', 'Parahippocampal')

function versionOf(packageFile: string): string {
  return JSON.parse(readFileSync(new URL(packageFile, import.meta.url), 'utf8')).version
}

function cohort({ size }: Demo): Html {
  const [training, validation, heldOut] = size.split
  return html`<h2>The people</h2>
<p>${training + validation + heldOut} people were made up by the computer, half of them patients (AD) and half controls (CN).
Each has a map of the brain’s grey matter in voxels of ${size.voxelMm} mm. Patients have lost some, mostly in the
hippocampus and around it, and because they are made up we know exactly where and how much.</p>
<p>The network learned from ${training} of them, ${validation} decided when its training was best, and it never saw the
other ${heldOut}. Everything below is about those.</p>`
}

function network({ trained, tested, heldOut, seconds }: Demo): Html {
  const { layers, parameters } = summarise(trained.network)
  const { history, best } = trained
  const convolutions = layers.filter(({ type }) => type === 'conv3d').length
  const [[cn, cnWrong], [adWrong, ad]] = tested.matrix as [[number, number], [number, number]]
  const curve = lineChart(
    'pass over the training scans',
    [
      { name: 'training loss', values: history.map(({ loss }) => loss) },
      { name: 'validation loss', values: history.map(({ validationLoss }) => validationLoss!) },
    ],
    { x: best.epoch, text: 'kept' },
  )
  return html`<h2>The network</h2>
<p>Three-dimensional convolutions (${convolutions} blocks, ${parameters.toLocaleString('en')} weights), trained for
${(history.at(-1)!.seconds).toFixed(0)} of the demo’s ${seconds.toFixed(0)} seconds.</p>
${curve}
${facts(
  fact(percent(tested.balancedAccuracy), html`balanced accuracy on the ${heldOut} people it never saw`),
  fact(tested.auc.toFixed(2), 'area under the ROC curve'),
  fact(`${ad} of ${ad + adWrong}`, 'patients recognised'),
  fact(`${cn} of ${cn + cnWrong}`, 'controls recognised'),
)}`
}

function maskSection(mask: MaskReport): Html {
  const { subjects, result, title } = mask
  const several = subjects.length > 1
  const one = subjects[0]!
  const about = several
    ? html`${subjects.map(({ participant_id }) => participant_id).join(', ')}: the same mask for all, the truth is their mean.`
    : html`${one.age.toFixed(0)} years old, ${one.sex === 'F' ? 'female' : 'male'}. Lost ${percent(one.hippocampus_loss_left)}
of the left hippocampus and ${percent(one.hippocampus_loss_right)} of the right.`
  return html`<h3>${title}</h3>
<p>${about}</p>
<div class="pair wide">
${figure(mask.maskPng, `The mask of ${title.toLowerCase()} on the scan`, 'What the mask fills in, on the scan. 1 is filled in completely.')}
${figure(mask.truthPng, `True atrophy on the same slices`, 'The truth, on the same slices: the grey matter that the disease took.')}
</div>
${facts(
  fact(
    `${mask.before.toFixed(2)} → ${mask.after.toFixed(2)}`,
    several ? 'mean P(AD) before and after masking' : 'P(AD) before and after masking',
  ),
  fact(percent(mask.inside), 'of the mask lies where grey matter was truly lost'),
  fact(timesChance(mask), html`what chance would give (${percent(mask.chance)})`),
  fact(percent(result.masked), html`of the voxels masked by more than half, after ${result.iterations} steps`),
)}`
}

function regions(mask: MaskReport): Html {
  const top = mask.regions.slice(0, 10)
  const most = top[0]!.density || 1
  const rows = top.map(({ name, density, lost }) => [
    side(name),
    bar(density / most, density.toFixed(2)),
    percent(lost),
  ])
  return html`<h2>Which regions</h2>
<p>The group mask’s mean in each region of the atlas, highest first, beside the share of grey matter that these patients
truly lost there.</p>
${table(['Region', 'Mean mask', 'Truly lost'], rows)}`
}

function masks({ masks }: Demo): Html {
  return html`<h2>Where it looked</h2>
<p>A mask answers: where would grey matter have to be filled in, in as few and as smooth places as possible, before the
network takes this patient for a healthy person? It starts empty and is optimised step by step on the GPU. The network was
never told where the disease is.</p>
<p class="quiet">“Truly lost” counts voxels that lost at least ${LOST} of grey matter (a voxel full of it is 1). Chance is
those voxels’ share of all grey matter (voxels that held at least ${GREY} before the loss): what a mask without any idea
would have there.</p>
${masks.map(maskSection)}`
}

function end({ phases, gpu, seconds }: Demo): Html {
  const rows = phases.map((phase) => [
    phase.name[0]!.toUpperCase() + phase.name.slice(1),
    `${phase.seconds.toFixed(1)} s`,
  ])
  return html`<h2>Time</h2>
${table(['Phase', 'Seconds'], [...rows, ['All', `${seconds.toFixed(1)} s`]])}
<footer><p>Made by <code>npm run demo</code> with voxplain ${versionOf('../package.json')} on ${gpu}, Node ${process.version},
Dawn by webgpu ${versionOf('../node_modules/webgpu/package.json')}. Beside this page: <code>phantom/</code> (scans, atlas,
true atrophy, table of people), <code>network.safetensors</code>, <code>predictions.tsv</code> and <code>masks/</code>
(maps as NIfTI on the scans’ own grid, and the pictures).</p></footer>`
}

/** The whole page as text, pictures included. */
export function demoPage(demo: Demo): string {
  const group = demo.masks.at(-1)!
  return page(
    'voxplain demo',
    html`<header><h1>A network learns to see a disease, and shows where it looked</h1>
<p class="lead">In ${demo.seconds.toFixed(0)} seconds, this computer made a group of artificial brains, trained a network to tell
patients from controls, and asked it for its reasons. ${percent(group.inside)} of its group mask lies where the disease truly took grey matter,
${timesChance(group)} what chance would give.</p></header>`,
    cohort(demo),
    network(demo),
    masks(demo),
    regions(group),
    end(demo),
  )
}
