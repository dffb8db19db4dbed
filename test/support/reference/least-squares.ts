/** Ordinary least squares by Householder's QR, in float64: min |A b - y| for A [rows, columns] of full rank. */
export function leastSquares(matrix: readonly (readonly number[])[], y: readonly number[]): number[] {
  const a = matrix.map((row, n) => [...row, y[n]!])
  const columns = matrix[0]!.length
  for (let j = 0; j < columns; j++) {
    const length = Math.hypot(...a.slice(j).map((row) => row[j]!))
    const v = a.slice(j).map((row) => row[j]!)
    v[0]! += v[0]! >= 0 ? length : -length
    const square = v.reduce((sum, x) => sum + x * x, 0)
    for (let k = j; k <= columns; k++) {
      const along = (2 * v.reduce((sum, x, n) => sum + x * a[j + n]![k]!, 0)) / square
      v.forEach((x, n) => {
        a[j + n]![k]! -= along * x
      })
    }
  }
  const b = new Array<number>(columns).fill(0)
  for (let j = columns - 1; j >= 0; j--) {
    const known = b.reduce((sum, x, k) => (k > j ? sum + x * a[j]![k]! : sum), 0)
    b[j] = (a[j]![columns]! - known) / a[j]![j]!
  }
  return b
}
