/** --binary: an ONNX network that gives one number, which the file does not call a probability. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { assertRefused, makePlace, type Place, SIZE, tinyScan, voxplain } from './support/cli.ts'
import { closeTestGpu } from './support/evaluate.ts'
import { buildOnnx, floats } from './support/onnx-build.ts'

const test = suite('one logit')
let place: Place
test.before(async () => {
  place = await makePlace()
})
test.after(async () => {
  await closeTestGpu()
  await place.clear()
})

test('two classes with --binary, a refusal that names it without', async () => {
  const bytes = buildOnnx({
    input: [1, 1, ...SIZE],
    nodes: [
      { op: 'GlobalAveragePool', in: ['x'], out: 'm' },
      { op: 'Flatten', in: ['m'], out: 'f' },
      { op: 'Gemm', in: ['f', 'w', 'b'], out: 'y' },
    ],
    tensors: { w: floats([1, 1], [2]), b: floats([1], [0.5]) },
  })
  const network = await place.file('one.onnx', bytes)
  const scan = await place.scan('one.nii', tinyScan(1))
  assertRefused(await voxplain('predict', network, scan), 2, '--binary', 'without a sigmoid')
  const run = await voxplain('predict', network, scan, '--binary', '--json')
  assert.is(run.code, 0, run.err)
  const [{ probabilities }] = JSON.parse(run.out).scans
  const [no, yes] = Object.values(probabilities) as [number, number]
  assert.ok(yes > 0.5 && Math.abs(no + yes - 1) < 1e-6, `${no}, ${yes}`)
})

test.run()
