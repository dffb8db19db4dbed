/** Perturbation methods written straight from their definitions, in float64: one changed scan at a time. */

export type Size = readonly [number, number, number]

/** What the network says of scans: the score of each that is watched. */
export type Score = (tensors: readonly Float32Array[]) => Promise<number[]>

export type Covers = (d: number, h: number, w: number) => boolean

export function eachVoxel([D, H, W]: Size, visit: (v: number, d: number, h: number, w: number) => void): void {
  let v = 0
  for (let d = 0; d < D; d++) for (let h = 0; h < H; h++) for (let w = 0; w < W; w++) visit(v++, d, h, w)
}

/** Mean fall of the score over the windows that cover a voxel; 0 where none does. */
export async function meanFalls(
  size: Size,
  windows: readonly Covers[],
  score: Score,
  x: Float32Array,
  other: Float32Array,
): Promise<Float64Array> {
  const voxels = size[0] * size[1] * size[2]
  const insides = windows.map((covers) => {
    const inside: number[] = []
    eachVoxel(size, (v, d, h, w) => {
      if (covers(d, h, w)) inside.push(v)
    })
    return inside
  })
  const changed = insides.map((inside) => {
    const copy = x.slice()
    for (const v of inside) for (let i = v; i < x.length; i += voxels) copy[i] = other[i]!
    return copy
  })
  const [before, ...after] = await score([x, ...changed])
  const sums = new Float64Array(voxels)
  const counts = new Float64Array(voxels)
  insides.forEach((inside, n) => {
    for (const v of inside) {
      sums[v]! += before! - after[n]!
      counts[v]! += 1
    }
  })
  return sums.map((sum, v) => (counts[v]! > 0 ? sum / counts[v]! : 0))
}

/** PCG4D, as shaders/augment/draw.wgsl has it. */
export function draw(counter: number, scan: number, step: number, seed: number): [number, number, number, number] {
  let [x, y, z, w] = [counter, scan, step, ~seed].map((v) => (Math.imul(v, 1664525) + 1013904223) >>> 0) as [
    number,
    number,
    number,
    number,
  ]
  const round = () => {
    x = (x + Math.imul(y, w)) >>> 0
    y = (y + Math.imul(z, x)) >>> 0
    z = (z + Math.imul(x, y)) >>> 0
    w = (w + Math.imul(y, z)) >>> 0
  }
  round()
  x = (x ^ (x >>> 16)) >>> 0
  y = (y ^ (y >>> 16)) >>> 0
  z = (z ^ (z >>> 16)) >>> 0
  w = (w ^ (w >>> 16)) >>> 0
  round()
  return [x, y, z, w]
}

const unit = (bits: number) => (bits >>> 8) / 2 ** 24

/** RISE's mask number n: random cells stretched to (cells + 1) cell sizes, trilinear, from a random start within a cell. */
export function riseMask(size: Size, cells: Size, keep: number, seed: number, n: number): Float64Array {
  const cell = size.map((d, k) => Math.ceil(d / cells[k]!))
  const random = draw(0xffffffff, n, 0, seed)
  const shift = cell.map((c, k) => Math.floor(unit(random[k]!) * c))
  const at = (d: number, h: number, w: number) =>
    unit(draw((d * cells[1] + h) * cells[2] + w, n, 0, seed)[0]) < keep ? 1 : 0
  const along = (v: number, k: number) => {
    const position = ((v + shift[k]! + 0.5) * cells[k]!) / ((cells[k]! + 1) * cell[k]!) - 0.5
    const low = Math.floor(position)
    const within = (c: number) => Math.min(Math.max(c, 0), cells[k]! - 1)
    return [
      { c: within(low), share: 1 - (position - low) },
      { c: within(low + 1), share: position - low },
    ]
  }
  const mask = new Float64Array(size[0] * size[1] * size[2])
  eachVoxel(size, (v, ...place) => {
    const [ds, hs, ws] = place.map(along) as [
      ReturnType<typeof along>,
      ReturnType<typeof along>,
      ReturnType<typeof along>,
    ]
    for (const d of ds) {
      for (const h of hs) for (const w of ws) mask[v]! += d.share * h.share * w.share * at(d.c, h.c, w.c)
    }
  })
  return mask
}
