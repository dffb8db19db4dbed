/** A grid of mask settings, lambda1 by lambda2: how far neighbours agree, and which setting to take. */
import { roiSimilarity } from '../regions/similarity.ts'
import { summarisePairs } from './agreement.ts'

export interface GridCell {
  readonly lambda1: number
  readonly lambda2: number
  /** Mean probability of the class, of the masked scans. */
  readonly after: number
  /** Mean of 1 - m over tissue: what the mask takes away. */
  readonly area: number
  /** Density of 1 - m in each region. */
  readonly densities: ArrayLike<number>
}

/** Places of the cells that are one step away along one of the two axes. */
export function gridNeighbours(cells: readonly Pick<GridCell, 'lambda1' | 'lambda2'>[], n: number): number[] {
  const steps = (key: 'lambda1' | 'lambda2') => [...new Set(cells.map((cell) => cell[key]))].sort((a, b) => a - b)
  const [first, second] = [steps('lambda1'), steps('lambda2')]
  const place = ({ lambda1, lambda2 }: (typeof cells)[number]) => [first.indexOf(lambda1), second.indexOf(lambda2)]
  const [a, b] = place(cells[n]!) as [number, number]
  return [...cells.keys()].filter((other) => {
    const [c, d] = place(cells[other]!) as [number, number]
    return Math.abs(a - c) + Math.abs(b - d) === 1
  })
}

/**
 * Mean ROI similarity of each cell to those of its neighbours whose masks do what they are for. Undefined where it has none, or
 * where it or all of them are empty.
 * @param below probability under which a mask does what it is for
 */
export function gridStability(cells: readonly GridCell[], below: number): (number | undefined)[] {
  return cells.map((cell, n) => {
    const strong = gridNeighbours(cells, n).filter((k) => cells[k]!.after < below)
    return summarisePairs(strong.map((k) => roiSimilarity(cell.densities, cells[k]!.densities))).mean
  })
}

export interface GridChoice {
  /** Place of the setting to take. */
  readonly chosen: number
  readonly stability: readonly (number | undefined)[]
  /** Why, in a sentence. */
  readonly reason: string
}

/** Settings whose stability is this close to the best count as equally stable. */
export const STABILITY_SLACK = 0.05

/** The rule of chooseSetting in words. */
export function ruleInWords(below: number): string {
  return (
    `A mask is strong enough if it brings the mean probability of the masked patients below ${below}. Of the strong enough ones, those ` +
    `whose mean ROI similarity to their strong enough neighbours in the grid is within ${STABILITY_SLACK} of the highest count as ` +
    'equally stable, and of these the one is taken whose mask takes least away.'
  )
}

/**
 * Chooses a setting by the rule of ruleInWords. Where no mask is strong enough, the strongest is taken, and the reason says so.
 * @param below probability under which a mask does what it is for
 */
export function chooseSetting(cells: readonly GridCell[], below: number): GridChoice {
  const stability = gridStability(cells, below)
  const name = (n: number) => `lambda1 ${cells[n]!.lambda1}, lambda2 ${cells[n]!.lambda2}`
  const strong = [...cells.keys()].filter((n) => cells[n]!.after < below && cells[n]!.area > 0)
  if (strong.length === 0) {
    const chosen = cells.reduce((best, cell, n) => (cell.after < cells[best]!.after ? n : best), 0)
    const reason = `No mask brings the mean probability below ${below}; ${name(chosen)} brings it lowest, to ${cells[chosen]!.after.toFixed(3)}. Smaller lambdas would be stronger.`
    return { chosen, stability, reason }
  }
  const best = Math.max(...strong.map((n) => stability[n] ?? Number.NEGATIVE_INFINITY))
  const stable = strong.filter((n) => best === Number.NEGATIVE_INFINITY || stability[n]! >= best - STABILITY_SLACK)
  const chosen = stable.reduce((least, n) => (cells[n]!.area < cells[least]!.area ? n : least))
  const about =
    stability[chosen] === undefined ? '' : `, ROI similarity to its neighbours ${stability[chosen].toFixed(3)}`
  return {
    chosen,
    stability,
    reason:
      `${strong.length} of ${cells.length} settings bring the mean probability below ${below}, ${stable.length} of them are equally ` +
      `stable, and of these ${name(chosen)} takes least away (masked probability ${cells[chosen]!.after.toFixed(3)}${about}).`,
  }
}
