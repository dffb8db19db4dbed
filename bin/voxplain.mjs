#!/usr/bin/env node
// The command line. In a checkout it runs the TypeScript sources as they are; installed, the built files.
import { existsSync } from 'node:fs'

// `voxplain ... | head` closes the pipe early, which is no fault.
process.stdout.on('error', (error) => {
  if (error.code === 'EPIPE') process.exit(0)
  throw error
})

const { main } = existsSync(new URL('../src/cli/main.ts', import.meta.url))
  ? await fromSources()
  : await import('../dist/cli/main.js')
process.exitCode = await main(process.argv.slice(2))

async function fromSources() {
  await import('../scripts/setup.mjs')
  const { register } = await import('tsx/esm/api')
  register()
  return import('../src/cli/main.ts')
}
