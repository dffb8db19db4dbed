// Builds the viewer where it is missing and serves it: npm run viewer [-- --port 8080]
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { buildViewer } from './viewer-build.mjs'
import { serveFolder } from './viewer-serve.mjs'

const { values } = parseArgs({ options: { port: { type: 'string', default: '0' } } })
const dist = fileURLToPath(new URL('../viewer/dist', import.meta.url))
const say = (line) => process.stderr.write(`${line}\n`)
await buildViewer({ data: !existsSync(join(dist, 'data', 'manifest.json')), log: say })
const { url } = await serveFolder(dist, Number(values.port))
say(`viewer: ${url} (end with Ctrl+C)`)
