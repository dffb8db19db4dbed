/** Opening a page in the user's browser. */
import { spawn } from 'node:child_process'

/**
 * Asks the system to show a URL. Where it cannot (no browser, no screen) nothing happens.
 * @param url without characters that a shell would read
 */
export function openBrowser(url: string): void {
  const opener = openerOf(process.platform)
  if (!opener) return
  const [program, ...args] = opener
  const child = spawn(program, [...args, url], { stdio: 'ignore', detached: true })
  child.once('error', () => undefined)
  child.unref()
}

function openerOf(platform: NodeJS.Platform): readonly [string, ...string[]] | undefined {
  // The first word after start would be the window's title.
  if (platform === 'win32') return ['cmd', '/c', 'start', 'voxplain']
  if (platform === 'darwin') return ['open']
  // Without a screen xdg-open might take the terminal over with a browser for text.
  return process.env.DISPLAY || process.env.WAYLAND_DISPLAY ? ['xdg-open'] : undefined
}
