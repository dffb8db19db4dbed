/**
 * Writes our ONNX exports of several networks, with an input and our own logits, for test/reference/onnx_export.py to judge.
 * Run: node --import tsx test/reference/onnx-export.ts FOLDER
 */
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { compile } from '../../src/engine/compile.ts'
import { closeGpu, openGpu } from '../../src/engine/gpu.ts'
import { architectureByName, architectures, initialise } from '../../src/model/architectures.ts'
import { buildNetwork } from '../../src/model/build.ts'
import type { Network } from '../../src/model/description.ts'
import { loadNetwork } from '../../src/model/formats/format.ts'
import { exportOnnx } from '../../src/model/formats/onnx-export.ts'
import { values } from '../support/evaluate.ts'
import { onnxZoo } from '../support/onnx-zoo.ts'

const [, , folder] = process.argv
if (!folder) throw new Error('which folder?')
await mkdir(folder, { recursive: true })
const fixtures = new URL('../fixtures/model/', import.meta.url)
const networks: [string, Network][] = [['own_zoo', onnxZoo()]]
for (const name of await readdir(fixtures)) {
  if (!/^(onnx_.*\.onnx|keras\d_(binary|zoo|densenet)\.hdf5)$/.test(name)) continue
  networks.push([name.replace(/\.\w+$/, ''), loadNetwork(await readFile(new URL(name, fixtures)), { name })])
}
for (const name of Object.keys(architectures)) {
  const description = architectureByName(name, { inputShape: [1, 33, 34, 35], classes: 3 })
  networks.push([`architecture_${name}`, initialise(description, 5)])
}
const gpu = await openGpu()
for (const [name, network] of networks) {
  const built = buildNetwork(network, { batch: 2 })
  const end = built.layers.get(network.description.layers.at(-1)!.name)!
  const program = await compile(gpu, { end }, { frozen: true })
  const scan = values(
    built.input.shape.reduce((a, b) => a * b, 1),
    3,
  )
  program.write(built.input, scan)
  program.run()
  const scores = await program.read(end)
  await writeFile(join(folder, `${name}.onnx`), exportOnnx(network))
  await writeFile(
    join(folder, `${name}.json`),
    JSON.stringify({ shape: built.input.shape, scan: [...scan], scores: [...scores] }),
  )
  program.destroy()
}
closeGpu(gpu)
