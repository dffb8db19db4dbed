/** Mask optimisation from its definition, in float64, for a linear network with softmax. Loops, no cleverness. */

export interface MaskCase {
  readonly size: readonly [number, number, number]
  /** Edge of a cell in voxels. */
  readonly cell: number
  readonly lambda1: number
  readonly lambda2: number
  readonly beta1: number
  readonly beta2: number
  readonly learningRate: number
  readonly reduction: 'mean' | 'sum'
  readonly spacing: readonly [number, number, number]
  readonly fill: number
  readonly target: number
}

/** Logits W x + b of a linear network with two classes. */
export interface Linear {
  readonly weight: ArrayLike<number>
  readonly bias: ArrayLike<number>
}

/** Upsampling weights: for each voxel the cells it mixes. */
function weightsOf(voxels: number, cell: number): { cell: number; weight: number }[][] {
  const cells = Math.ceil(voxels / cell)
  return Array.from({ length: voxels }, (_, v) => {
    const position = (v + 0.5) / cell - 0.5
    const low = Math.floor(position)
    const clamp = (c: number) => Math.min(Math.max(c, 0), cells - 1)
    return [
      { cell: clamp(low), weight: 1 - (position - low) },
      { cell: clamp(low + 1), weight: position - low },
    ]
  })
}

/** Runs `steps` steps over the scans; returns the cells' mask and the loss terms of each step. */
export function maskReference(c: MaskCase, network: Linear, scans: readonly ArrayLike<number>[], steps: number) {
  const [D, H, W] = c.size
  const cells = c.size.map((d) => Math.ceil(d / c.cell)) as [number, number, number]
  const count = cells[0] * cells[1] * cells[2]
  const axes = c.size.map((d) => weightsOf(d, c.cell))
  const voxels = D * H * W
  const parts: { voxel: number; cell: number; weight: number }[] = []
  for (let d = 0; d < D; d++)
    for (let h = 0; h < H; h++)
      for (let w = 0; w < W; w++)
        for (const a of axes[0]![d]!)
          for (const b of axes[1]![h]!)
            for (const e of axes[2]![w]!)
              parts.push({
                voxel: (d * H + h) * W + w,
                cell: (a.cell * cells[1] + b.cell) * cells[2] + e.cell,
                weight: a.weight * b.weight * e.weight,
              })
  const area = c.reduction === 'mean' ? 1 / count : voxels / count
  const slope = c.spacing.map((mm) => (c.reduction === 'mean' ? 10 / (c.cell * mm) : 1 / c.cell))
  const mask = new Float64Array(count).fill(1)
  const first = new Float64Array(count)
  const second = new Float64Array(count)
  const trace: { score: number; l1: number; tv: number }[] = []
  for (let step = 1; step <= steps; step++) {
    const full = new Float64Array(voxels)
    for (const p of parts) full[p.voxel]! += p.weight * mask[p.cell]!
    const gradient = new Float64Array(count)
    let score = 0
    for (const scan of scans) {
      const logits = [0, 1].map((k) => {
        let sum = network.bias[k]!
        for (let v = 0; v < voxels; v++) {
          sum += network.weight[k * voxels + v]! * (full[v]! * scan[v]! + (1 - full[v]!) * c.fill)
        }
        return sum
      })
      const other = 1 - c.target
      const p = 1 / (1 + Math.exp(logits[other]! - logits[c.target]!))
      score += p / scans.length
      for (const part of parts) {
        const v = part.voxel
        const dlogit = network.weight[c.target * voxels + v]! - network.weight[other * voxels + v]!
        gradient[part.cell]! += (part.weight * p * (1 - p) * dlogit * (scan[v]! - c.fill)) / scans.length
      }
    }
    let l1 = 0
    let tv = 0
    const total = Float64Array.from(gradient)
    const strides = [cells[1] * cells[2], cells[2], 1]
    for (let i = 0; i < count; i++) {
      const m = mask[i]!
      l1 += c.lambda1 * area * Math.abs(1 - m) ** c.beta1
      if (m !== 1) total[i]! -= c.lambda1 * area * c.beta1 * Math.abs(1 - m) ** (c.beta1 - 1) * Math.sign(1 - m)
      const place = [Math.floor(i / strides[0]!), Math.floor(i / strides[1]!) % cells[1], i % cells[2]]
      for (let a = 0; a < 3; a++) {
        if (place[a]! + 1 >= cells[a]!) continue
        const d = slope[a]! * (mask[i + strides[a]!]! - m)
        tv += c.lambda2 * area * Math.abs(d) ** c.beta2
        const g = d === 0 ? 0 : c.lambda2 * area * c.beta2 * Math.abs(d) ** (c.beta2 - 1) * Math.sign(d) * slope[a]!
        total[i]! -= g
        total[i + strides[a]!]! += g
      }
    }
    trace.push({ score, l1, tv })
    for (let i = 0; i < count; i++) {
      first[i] = 0.9 * first[i]! + 0.1 * total[i]!
      second[i] = 0.999 * second[i]! + 0.001 * total[i]! ** 2
      const move = first[i]! / (1 - 0.9 ** step) / (Math.sqrt(second[i]! / (1 - 0.999 ** step)) + 1e-8)
      mask[i] = Math.min(1, Math.max(0, mask[i]! - c.learningRate * move))
    }
  }
  const upsampled = new Float64Array(voxels)
  for (const p of parts) upsampled[p.voxel]! += p.weight * mask[p.cell]!
  return { mask: upsampled, trace }
}
