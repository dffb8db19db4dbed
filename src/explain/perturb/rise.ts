/** RISE: masks at random, weighted by what the network says of what they leave. */
import { state } from '../../engine/tensor.ts'
import { integerFrom, numberWithin, readBoolean, tripleFrom } from '../../model/formats/read-json.ts'
import { inTurns } from '../graph-explainer.ts'
import { checkInputs, type Method, type MethodInput } from '../method.ts'
import { type Change, changedInput, changeSettings, type Watched } from './change.ts'
import { drawCells, fillMasks, type SoftMasks, sumMasks } from './perturb-ops.ts'
import { makePerturber } from './perturber.ts'
import type { Triple } from './windows.ts'

export interface RiseSettings extends Change, Watched {
  /** Masks. */
  readonly masks: number
  /** Cells of a mask along [D, H, W]. */
  readonly cells: Triple
  /** Probability that a cell keeps the scan. */
  readonly keep: number
  /** Take the mean score off first. */
  readonly centred: boolean
}

/**
 * Petsiuk, Das and Saenko 2018, in 3D: S(v) = sum over masks of score_n m_n(v) / (masks x keep). Cells are drawn at a low
 * resolution, stretched trilinearly and moved by a random part of a cell; the draws are a function of the seed alone.
 * That S is the expected score where v is kept, which is positive also where v does not matter; `centred` uses
 * score_n - mean score instead, which is around 0 there.
 */
export const rise: Method<RiseSettings> = {
  name: 'rise',
  title: 'RISE',
  source: 'Petsiuk, Das and Saenko 2018',
  signed: false,
  settings: {
    masks: { default: 2000, text: 'masks', read: integerFrom(1) },
    cells: { default: [7, 7, 7], text: 'cells of a mask along each axis', read: tripleFrom(1) },
    keep: { default: 0.5, text: 'probability that a cell keeps the scan', read: numberWithin(0.01, 0.99) },
    centred: { default: false, text: 'take the mean score off first', read: readBoolean },
    ...changeSettings,
  },
  main: 'masks',
  async make(gpu, network, settings, options = {}) {
    const { masks: count, cells, keep, centred } = settings
    const [channels, ...size] = network.description.input as [number, number, number, number]
    const voxels = size.reduce((a, b) => a * b, 1)
    const masks: SoftMasks = { cells, keep, seed: (options.seed ?? 0) >>> 0 }
    const totals = state([2, ...size], undefined, 'totals')
    const perturber = await makePerturber(
      gpu,
      network,
      settings,
      options,
      (source) => {
        const drawn = drawCells(source, masks)
        return {
          inputs: fillMasks(source, drawn, masks),
          effects: (values) => [sumMasks(source, { cells: drawn, masks, values, totals, count })],
          states: [totals],
        }
      },
      count,
    )
    const run = async ([scan]: readonly MethodInput[], step: (share: number) => void) => {
      const answer = await perturber.begin(scan!, changedInput(scan!, settings))
      const score = (settings.score === 'logit' ? answer.logits : answer.probabilities)[answer.target]!
      perturber.write(totals, new Float32Array(2 * voxels))
      const scores = await perturber.answer(count, step, [answer.target, 1])
      const sums = await perturber.read(totals)
      let mean = 0
      for (let n = 0; n < count; n++) mean += scores[n * perturber.classes + answer.target]! / count
      const relevance = new Float32Array(channels * voxels)
      for (let i = 0; i < relevance.length; i++) {
        const v = i % voxels
        relevance[i] = (sums[v]! - (centred ? mean * sums[voxels + v]! : 0)) / (count * keep)
      }
      return [{ relevance, ...answer, facts: { score, masks: count, meanScore: mean } }]
    }
    return {
      ...inTurns(1, run, (inputs) => checkInputs(network, inputs, perturber.classes)),
      memory: perturber.memory,
      destroy: () => perturber.destroy(),
    }
  },
}
