/** Serves a folder on 127.0.0.1; see viewer-serve.mjs. */
export function serveFolder(folder: string, port?: number): Promise<{ url: string; close(): Promise<void> }>
