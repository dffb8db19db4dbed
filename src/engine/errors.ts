/** What went wrong on the GPU. Every failure of the engine that a caller may want to tell apart is one of these. */
export type GpuErrorKind = 'unavailable' | 'lost' | 'out-of-memory' | 'validation' | 'limit' | 'internal'

/** A failure of the GPU or of what was asked of it; the message names the kernel or tensor and the numbers. */
export class GpuError extends Error {
  override name = 'GpuError'
  constructor(
    readonly kind: GpuErrorKind,
    message: string,
  ) {
    super(message)
  }
}

/** A graph that cannot be built: shapes, ranks or options that do not fit. Thrown while building, before any GPU work. */
export class ShapeError extends Error {
  override name = 'ShapeError'
}

/** Throws a ShapeError with the given message unless the condition holds. */
export function requireShape(condition: boolean, message: string): asserts condition {
  if (!condition) throw new ShapeError(message)
}
