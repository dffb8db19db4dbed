// Makes a fresh checkout ready: installs the dependencies when they are missing or not those of package-lock.json,
// and gathers the shaders. Silent when there is nothing to do.
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))

const major = Number(process.versions.node.split('.')[0])
if (major < 20) fail(`voxplain needs Node 20 or newer; this is ${process.version}.`)

if (!isInstalled()) {
  process.stderr.write('voxplain: installing dependencies (npm ci) ...\n')
  // `npm run` may itself have been called with options that must not reach this npm.
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name)))
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm'
  const options = { cwd: root, env, shell: process.platform === 'win32', stdio: ['ignore', 'ignore', 'inherit'] }
  const { status, error } = spawnSync(npm, ['ci', '--no-audit', '--no-fund', '--loglevel=error'], options)
  if (status !== 0) fail(`npm ci failed${error ? `: ${error.message}` : ''}. Mend that, then run the command again.`)
}

await import('./shaders.mjs')

/** Compares versions, not dates: a checkout touches files, and npm keeps a list of what it installed. */
function isInstalled() {
  const installed = readPackages(join('node_modules', '.package-lock.json'))
  return Object.entries(readPackages('package-lock.json') ?? {}).every(
    ([path, { version, optional }]) => path === '' || optional || installed?.[path]?.version === version,
  )
}

function readPackages(file) {
  try {
    return JSON.parse(readFileSync(join(root, file), 'utf8')).packages
  } catch {
    return undefined
  }
}

function fail(message) {
  process.stderr.write(`${message}\n`)
  process.exit(1)
}
