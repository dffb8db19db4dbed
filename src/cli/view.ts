/** voxplain view: the viewer's page on this computer, with a scan, a network and maps in it. */
import { once } from 'node:events'
import type { Command } from 'commander'
import { addImportOptions } from './network.ts'
import { listOption } from './options.ts'
import { makeReporter, type Terminal } from './terminal.ts'
import { openBrowser } from './view-browser.ts'
import { type ViewOptions, viewData } from './view-data.ts'
import { openPage } from './view-page.ts'
import { serveFiles } from './view-server.ts'

const HELP = `
The page is served to this computer alone (127.0.0.1), below a path that only who sees this terminal knows, until Ctrl+C. It computes
in the browser, which needs WebGPU for it; precomputed maps are shown without. From another computer, through a tunnel:
ssh -L 8080:127.0.0.1:PORT HOST, then the same URL with 8080 as port.

Examples:
  voxplain view sub-01_gm.nii.gz --network network.safetensors
  voxplain view sub-01_gm.nii.gz --network network.onnx --recipe recipe.json --map maps/sub-01_gm_desc-lrp_relevance.nii.gz --atlas AAL2.nii
  voxplain view sub-01_gm.nii.gz --network residual.safetensors --covariates age=71,sex=F,tiv=1450 --no-open
`

export function addView(program: Command, terminal: Terminal, finish: (code: number) => void): void {
  const command = program
    .command('view')
    .description('looks at a scan, what a network says of it and why, in the browser')
    .argument('<scan>', 'NIfTI volume, .nii or .nii.gz')
    .requiredOption('--network <file>', '.safetensors, ONNX, PyTorch, Keras, TensorFlow.js, or a MAPS folder')
    .option('--map <file.nii>', 'a map of the scan that was made before; may be given several times', gather)
    .option('--atlas <file.nii>', 'label volume in the space of the scan, for names of regions')
    .option('--atlas-names <table>', 'names of its labels (default: a table of the same name beside it)')
    .option('--recipe <name|file.json>', "how scans become the network's input; default: the network's own")
    .option('--covariates <values>', 'that the network needs of the scan: age=71,sex=F,tiv=1450', listOption)
    .option('--no-open', 'start no browser; only print the URL')
  addImportOptions(command)
    .addHelpText('after', HELP)
    .action(async (scan: string, options: ViewOptions) => finish(await view(scan, options, terminal)))
}

const gather = (path: string, before: readonly string[] = []) => [...before, path]

/** Serves until it is told to stop (Ctrl+C, SIGTERM), which is its regular end. */
async function view(scan: string, options: ViewOptions, terminal: Terminal): Promise<number> {
  const reporter = makeReporter(terminal, false)
  const data = await viewData(scan, options, reporter)
  const { files, policy } = await openPage()
  const server = await serveFiles(new Map([...files, ...data]), policy)
  const stop = new AbortController()
  const stopped = Promise.race(['SIGINT', 'SIGTERM'].map((name) => once(process, name, { signal: stop.signal })))
  reporter.print(server.url)
  reporter.note('open this URL in a browser on this computer; end with Ctrl+C')
  if (options.open) openBrowser(server.once())
  await stopped
  stop.abort()
  await server.close()
  return 0
}
