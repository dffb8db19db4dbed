/** Files of the viewer's page: built in the package, bundled on the spot in a checkout. */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { readFileChecked } from '../io/files.node.ts'

export interface ViewPage {
  /** By name; they lie in one folder. */
  readonly files: ReadonlyMap<string, Uint8Array>
  /** What the page's own Content-Security-Policy allows. */
  readonly policy: string
}

/** The page without any data. In a checkout it is always that of the sources as they are. */
export async function openPage(): Promise<ViewPage> {
  const files = (await builtPage()) ?? (await bundledPage())
  const html = new TextDecoder().decode(files.get('index.html'))
  const policy = /http-equiv="Content-Security-Policy" content="([^"]+)"/.exec(html)?.[1]
  if (policy === undefined) throw new Error("the viewer's page has no Content-Security-Policy")
  return { files, policy }
}

/** From dist/cli: scripts/build.mjs has put the page into dist/viewer. */
async function builtPage(): Promise<Map<string, Uint8Array> | undefined> {
  const folder = fileURLToPath(new URL('../viewer', import.meta.url))
  const names = await readdir(folder).catch(() => undefined)
  if (!names) return undefined
  const read = async (name: string) => [name, await readFileChecked(join(folder, name))] as const
  return new Map(await Promise.all(names.map(read)))
}

/** From src/cli. The script and what it needs are no part of the package, which is why this is no plain import. */
async function bundledPage(): Promise<Map<string, Uint8Array>> {
  const script = new URL('../../scripts/viewer-build.mjs', import.meta.url)
  const { bundleViewer } = await import(script.href)
  return bundleViewer()
}
