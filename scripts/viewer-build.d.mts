/** Builds viewer/dist; see viewer-build.mjs. */
export function buildViewer(options?: {
  data?: boolean
  log?: (line: string) => void
}): Promise<{ page: number; data: number }>
