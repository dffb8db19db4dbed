/** The gradient of a banded matrix is its transpose: resampling and blurring. */
import { applyBand, type Band, transposeBand } from '../ops/band.ts'
import type { Rules } from './rule.ts'

export const resampleRules: Rules = {
  band: ({ attributes }, [dy]) => {
    const { axis, band } = attributes as { axis: number; band: Band }
    return [applyBand(dy!, axis, transposeBand(band))]
  },
}
