/** Separable Gaussian smoothing of a voxel array, zero outside. */

/** Normalised taps of a Gaussian with standard deviation `sigma` voxels; a single 1 below 0.2. */
function gaussianKernel(sigma: number): Float64Array {
  if (sigma < 0.2) return Float64Array.of(1)
  const radius = Math.ceil(3 * sigma)
  const kernel = Float64Array.from({ length: 2 * radius + 1 }, (_, i) => Math.exp(-0.5 * ((i - radius) / sigma) ** 2))
  const total = kernel.reduce((a, b) => a + b, 0)
  return kernel.map((tap) => tap / total)
}

/**
 * Smooths `data` (i fastest) in place.
 * @param sigma standard deviation in voxels along i, j, k
 * @returns the factor by which the standard deviation of white noise shrinks
 */
export function gaussianBlur(
  data: Float32Array,
  shape: readonly [number, number, number],
  sigma: readonly [number, number, number],
): number {
  const strides = [1, shape[0], shape[0] * shape[1]]
  let shrink = 1
  for (let axis = 0; axis < 3; axis++) {
    const kernel = gaussianKernel(sigma[axis]!)
    shrink *= Math.sqrt(kernel.reduce((sum, tap) => sum + tap * tap, 0))
    if (kernel.length === 1) continue
    const radius = kernel.length >> 1
    const n = shape[axis]!
    const stride = strides[axis]!
    const line = new Float64Array(n + 2 * radius)
    for (let block = 0; block < data.length; block += n * stride) {
      for (let start = block; start < block + stride; start++) {
        for (let t = 0; t < n; t++) line[radius + t] = data[start + t * stride]!
        for (let t = 0; t < n; t++) {
          let sum = 0
          for (let q = 0; q < kernel.length; q++) sum += kernel[q]! * line[t + q]!
          data[start + t * stride] = sum
        }
      }
    }
  }
  return shrink
}
