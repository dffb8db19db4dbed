/** Occlusion: how much the score falls when a window of the scan is changed, for windows that move over it. */
import { input } from '../../engine/tensor.ts'
import { InputError } from '../../io/errors.ts'
import { numberWithin, oneOf, type Reader, show } from '../../model/formats/read-json.ts'
import { inTurns } from '../graph-explainer.ts'
import { checkInputs, type Method, type MethodInput } from '../method.ts'
import { type Change, changedInput, changeSettings, type Watched } from './change.ts'
import { fillWindows } from './perturb-ops.ts'
import { makePerturber, type Perturbation, type Perturber } from './perturber.ts'
import { ballWindows, boxWindows, emptyRow, type Triple, type Windows } from './windows.ts'

export interface OcclusionSettings extends Change, Watched {
  readonly shape: 'box' | 'sphere'
  /** Edges of a box along [D, H, W]. */
  readonly edge: Triple
  /** Radius of a sphere. */
  readonly radius: number
  /** From one window to the next along [D, H, W]. */
  readonly stride: Triple
  /** Of edge, radius and stride. */
  readonly unit: 'mm' | 'voxel'
}

const positive = numberWithin(1e-6, 1e6)

const readTriple: Reader<Triple> = (value, what) => {
  const list = Array.isArray(value) ? value : [value, value, value]
  if (list.length !== 3) throw new InputError(`${what} must be a number or three (D, H, W), got ${show(value)}`)
  return list.map((v) => positive(v, what)) as unknown as Triple
}

/**
 * Zeiler and Fergus 2014. The score's fall is spread over a window's voxels, and a voxel has the mean over the windows that
 * cover it. Boxes, their places and this mean are those of Captum's Occlusion; spheres and the change before residualisation
 * are Dyrba et al. 2021's (radius 10 voxels, stride 3). Windows that hold nothing to change are not run: their fall is 0.
 */
export const occlusion: Method<OcclusionSettings> = {
  name: 'occlusion',
  title: 'Occlusion',
  source: 'Zeiler and Fergus 2014; Captum Occlusion; Dyrba et al. 2021 for spheres',
  signed: true,
  settings: {
    shape: { default: 'box', text: 'shape of the window: box or sphere', read: oneOf('box', 'sphere') },
    edge: { default: [16, 16, 16], text: 'edge of a box', read: readTriple },
    radius: { default: 15, text: 'radius of a sphere', read: positive },
    stride: { default: [8, 8, 8], text: 'from one window to the next', read: readTriple },
    unit: { default: 'mm', text: 'unit of edge, radius and stride: mm or voxel', read: oneOf('mm', 'voxel') },
    ...changeSettings,
  },
  main: 'shape',
  async make(gpu, network, settings, options = {}) {
    const ball = settings.shape === 'sphere'
    const perturber = await makePerturber(gpu, network, settings, options, (source, rows) => {
      const table = input([rows, 6], 'windows')
      return { inputs: fillWindows(source, table, ball), table }
    })
    const [channels, ...size] = network.description.input as [number, number, number, number]
    const run = async ([scan]: readonly MethodInput[], step: (share: number) => void) => {
      const windows = windowsOf(size as Triple, scan!.spacing ?? [1, 1, 1], settings)
      const other = changedInput(scan!, settings)
      const write = (list: readonly (readonly number[])[]) => {
        const values = new Float32Array(perturber.rows * 6)
        list.forEach((row, k) => {
          values.set(row, 6 * k)
        })
        perturber.write(perturber.perturbation.table, values)
      }
      write([emptyRow[settings.shape]])
      const answer = await perturber.begin(scan!, other)
      const score = (settings.score === 'logit' ? answer.logits : answer.probabilities)[answer.target]!
      const changes = changedVoxels(scan!.tensor, other, channels)
      const found = await falls(perturber, windows, { changes, write, score, target: answer.target }, step)
      const map = found.map
      const relevance = new Float32Array(channels * map.length)
      for (let c = 0; c < channels; c++) relevance.set(map, c * map.length)
      const facts = { score, windows: windows.count, active: found.active, ...found.extremes }
      return [{ relevance, ...answer, facts }]
    }
    return {
      ...inTurns(1, run, (inputs) => checkInputs(network, inputs, perturber.classes)),
      memory: perturber.memory,
      destroy: () => perturber.destroy(),
    }
  },
}

function windowsOf(size: Triple, spacing: Triple, { shape, edge, radius, stride, unit }: OcclusionSettings): Windows {
  const voxel: Triple = unit === 'mm' ? spacing : [1, 1, 1]
  const inVoxels = (lengths: Triple) =>
    lengths.map((n, k) => Math.max(1, Math.round(n / voxel[k]!))) as unknown as Triple
  if (shape === 'box') return boxWindows(size, inVoxels(edge), inVoxels(stride))
  return ballWindows(size, radius, inVoxels(stride), voxel)
}

/** 1 for voxels in which any channel would change. */
function changedVoxels(x: Float32Array, other: Float32Array, channels: number): Uint8Array {
  const voxels = x.length / channels
  const changes = new Uint8Array(voxels)
  x.forEach((value, i) => {
    if (value !== other[i]) changes[i % voxels] = 1
  })
  return changes
}

interface Work {
  readonly changes: Uint8Array
  write(rows: readonly (readonly number[])[]): void
  readonly score: number
  readonly target: number
}

/** Runs the windows that change anything, and averages the falls of the score over the windows of each voxel. */
async function falls(
  perturber: Perturber<Perturbation>,
  windows: Windows,
  { changes, write, score, target }: Work,
  step: (share: number) => void,
) {
  const sums = new Float64Array(changes.length)
  const counts = new Uint32Array(changes.length)
  let active = 0
  let next = 0
  const extremes = { largestFall: 0, largestRise: 0 }
  while (next < windows.count) {
    const first = next
    const chunk: number[] = []
    for (; next < windows.count && chunk.length < perturber.rows; next++) {
      let changing = false
      windows.eachSpan(next, (from, end) => {
        for (let v = from; v < end; v++) counts[v]!++
        changing ||= changes.subarray(from, end).includes(1)
      })
      if (changing) chunk.push(next)
    }
    if (chunk.length === 0) continue
    write(chunk.map((window) => windows.row(window)))
    const scores = await perturber.answer(chunk.length, (share) =>
      step((first + share * (next - first)) / windows.count),
    )
    chunk.forEach((window, k) => {
      const fall = score - scores[k * perturber.classes + target]!
      extremes.largestFall = Math.max(extremes.largestFall, fall)
      extremes.largestRise = Math.max(extremes.largestRise, -fall)
      windows.eachSpan(window, (from, end) => {
        for (let v = from; v < end; v++) sums[v]! += fall
      })
    })
    active += chunk.length
  }
  return { map: Float32Array.from(sums, (sum, v) => (counts[v]! > 0 ? sum / counts[v]! : 0)), active, extremes }
}
