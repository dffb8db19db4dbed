/** How a coarse mask lies over a volume, from its definition, in float64. */

export type Triple = readonly [number, number, number]

export interface Lattice {
  readonly size: Triple
  /** Edge of a cell in voxels. */
  readonly cell: number
  /** Voxels by which the mask is moved against the volume. */
  readonly shift: Triple
}

export const cellsOf = ({ size, cell }: Lattice): Triple => size.map((d) => Math.ceil(d / cell)) as unknown as Triple

/** For each voxel the cells that it mixes, and their weights. */
export function mixtures(lattice: Lattice): { cell: number; weight: number }[][] {
  const { size, cell, shift } = lattice
  const cells = cellsOf(lattice)
  const along = (v: number, a: number) => {
    const position = (v + shift[a]! + 0.5) / cell - 0.5
    const low = Math.floor(position)
    const within = (c: number) => Math.min(Math.max(c, 0), cells[a]! - 1)
    return [
      { cell: within(low), weight: 1 - (position - low) },
      { cell: within(low + 1), weight: position - low },
    ]
  }
  const found: { cell: number; weight: number }[][] = []
  for (let d = 0; d < size[0]; d++) {
    for (let h = 0; h < size[1]; h++) {
      for (let w = 0; w < size[2]; w++) {
        const mixed = []
        for (const a of along(d, 0)) {
          for (const b of along(h, 1)) {
            for (const c of along(w, 2)) {
              mixed.push({
                cell: (a.cell * cells[1] + b.cell) * cells[2] + c.cell,
                weight: a.weight * b.weight * c.weight,
              })
            }
          }
        }
        found.push(mixed)
      }
    }
  }
  return found
}

/** Shift of a step along one axis: the hash of seed, step and axis that shaders/mask/geometry.wgsl describes. */
export function jitterShift(seed: number, step: number, axis: number, jitter: number): number {
  const key = Math.imul(seed, 747796405) + Math.imul(step, 2891336453) + Math.imul(axis, 277803737)
  let state = (Math.imul(key, 747796405) + 2891336453) >>> 0
  state = Math.imul((state >>> ((state >>> 28) + 4)) ^ state, 277803737) >>> 0
  state = ((state >>> 22) ^ state) >>> 0
  return (state % (2 * jitter + 1)) - jitter
}
