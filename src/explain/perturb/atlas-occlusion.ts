/** Atlas occlusion: how much the score falls when one region of an atlas is changed, region by region. */
import { input } from '../../engine/tensor.ts'
import { InputError } from '../../io/errors.ts'
import { inTurns } from '../graph-explainer.ts'
import { checkInputs, type Method, type MethodInput } from '../method.ts'
import { type Change, changedInput, changeSettings, type Watched } from './change.ts'
import { fillRegions } from './perturb-ops.ts'
import { makePerturber } from './perturber.ts'

/** A label that no voxel has: regions are 16-bit numbers. */
const NO_REGION = 0xffffffff

/**
 * Every voxel of a region has the score's fall without that region; voxels of no region (0) have 0. What Captum's
 * FeatureAblation does with an atlas as its feature mask, but that label 0 is no feature. Regions that hold nothing to
 * change are not run: their fall is 0.
 */
export const atlasOcclusion: Method<Change & Watched> = {
  name: 'atlasOcclusion',
  title: 'Atlas occlusion',
  source: 'Captum FeatureAblation over the regions of an atlas',
  signed: true,
  settings: changeSettings,
  async make(gpu, network, settings, options = {}) {
    const [channels, ...size] = network.description.input as [number, number, number, number]
    const voxels = size.reduce((a, b) => a * b, 1)
    const labels = input(size, 'labels', 'u32')
    const perturber = await makePerturber(gpu, network, settings, options, (source, rows) => {
      const table = input([rows], 'regions', 'u32')
      return { inputs: fillRegions(source, labels, table), table }
    })
    const run = async ([scan]: readonly MethodInput[], step: (share: number) => void) => {
      const { regions, tensor } = scan!
      const other = changedInput(scan!, settings)
      const write = (list: readonly number[]) => {
        const values = new Uint32Array(perturber.rows).fill(NO_REGION)
        values.set(list)
        perturber.write(perturber.perturbation.table, values)
      }
      perturber.write(labels, Uint32Array.from(regions!))
      write([])
      const answer = await perturber.begin(scan!, other)
      const score = (settings.score === 'logit' ? answer.logits : answer.probabilities)[answer.target]!
      const there = new Set(regions)
      there.delete(0)
      const changing = new Set<number>()
      tensor.forEach((value, i) => {
        if (value !== other[i]) changing.add(regions![i % voxels]!)
      })
      const list = [...changing].filter((region) => region !== 0).sort((a, b) => a - b)
      const fall = new Map<number, number>()
      for (let first = 0; first < list.length; first += perturber.rows) {
        const chunk = list.slice(first, first + perturber.rows)
        write(chunk)
        const scores = await perturber.answer(chunk.length, (share) =>
          step((first + share * chunk.length) / list.length),
        )
        chunk.forEach((region, k) => {
          fall.set(region, score - scores[k * perturber.classes + answer.target]!)
        })
      }
      const relevance = Float32Array.from(tensor, (_, i) => fall.get(regions![i % voxels]!) ?? 0)
      const facts = { score, regions: there.size, active: list.length }
      return [{ relevance, ...answer, facts }]
    }
    const check = (inputs: readonly MethodInput[]) => {
      checkInputs(network, inputs, perturber.classes)
      inputs.forEach(({ regions }, k) => {
        if (!regions) throw new InputError(`input ${k + 1} has no regions; give an atlas`)
        if (regions.length !== voxels) {
          throw new InputError(
            `input ${k + 1}: ${regions.length} region labels for ${voxels} voxels (${channels} channels share them)`,
          )
        }
        if (!regions.some((region) => region !== 0))
          throw new InputError(`input ${k + 1}: no region of the atlas lies in it`)
      })
    }
    return { ...inTurns(1, run, check), memory: perturber.memory, destroy: () => perturber.destroy() }
  },
}
