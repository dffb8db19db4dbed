import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type Browser, chromium } from 'playwright-core'
import { chromiumPackage, readTar, unpackOnce } from '../../src/engine/unpack.node.ts'

/** SwiftShader for WebGPU and WebGL both, in a browser without a screen; nothing that calls home. */
const FLAGS = [
  '--no-sandbox',
  '--enable-unsafe-webgpu',
  '--use-webgpu-adapter=swiftshader',
  '--use-angle=swiftshader',
  '--enable-unsafe-swiftshader',
  '--disable-background-networking',
  '--disable-quic',
  '--no-first-run',
]

/** Starts the headless Chromium that comes through npm; undefined where there is no build for this machine. */
export async function launchChromium(): Promise<Browser | undefined> {
  const found = chromiumPackage()
  if (!found) return undefined
  const folder = unpackOnce(`chromium-${found.version}`, (target) => {
    const file = (name: string, bytes: Uint8Array): void => {
      mkdirSync(dirname(join(target, name)), { recursive: true })
      writeFileSync(join(target, name), bytes)
    }
    file('chromium', found.read('chromium.br'))
    chmodSync(join(target, 'chromium'), 0o755)
    for (const archive of ['swiftshader.tar.br', 'fonts.tar.br', 'al2023.tar.br'])
      for (const [name, bytes] of readTar(found.read(archive))) file(name, bytes)
  })
  const executablePath = join(folder, 'chromium')
  const env = { ...process.env, FONTCONFIG_PATH: process.env.FONTCONFIG_PATH ?? nameFonts(folder) }
  // The system's own libraries where it has them, else those of the package.
  const libraries = startsWith(executablePath) ? {} : { LD_LIBRARY_PATH: join(folder, 'lib') }
  return chromium.launch({ executablePath, args: FLAGS, env: { ...env, ...libraries } })
}

/** The package's own list of fonts names folders of another machine; without any font this Chromium dies of a text field. */
function nameFonts(folder: string): string {
  const fonts = join(folder, 'fonts')
  const list = `<?xml version="1.0"?><fontconfig><dir>${fonts}</dir><cachedir>${join(fonts, 'cache')}</cachedir></fontconfig>`
  writeFileSync(join(fonts, 'fonts.conf'), list)
  return fonts
}

function startsWith(executable: string): boolean {
  return spawnSync(executable, ['--version'], { stdio: 'ignore' }).status === 0
}
