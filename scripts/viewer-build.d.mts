/** The page without data: its files by name; see viewer-build.mjs. */
export function bundleViewer(): Promise<Map<string, Uint8Array>>
/** Builds viewer/dist; see viewer-build.mjs. */
export function buildViewer(options?: {
  data?: boolean
  log?: (line: string) => void
}): Promise<{ page: number; data: number }>
