/** Montages drawn on another thread against the same drawn here. */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { InputError } from '../src/io/errors.ts'
import { montage } from '../src/io/montage.ts'
import { montagePng } from '../src/io/montage-apart.node.ts'
import { encodePngApart } from '../src/io/png.node.ts'
import type { Volume } from '../src/io/volume.ts'
import { values } from './support/evaluate.ts'

const AFFINE = [-2, 0, 0, 20, 0, 2, 0, -20, 0, 0, 2, -20, 0, 0, 0, 1]
const shape = [20, 22, 18] as const
const count = shape[0] * shape[1] * shape[2]
const volumeOf = (seed: number): Volume => ({ shape, affine: AFFINE, data: Float32Array.from(values(count, seed)) })
const background = volumeOf(1)

const apart = suite('montage apart')

apart('many asked for at once: each the same bytes as drawn here, whichever thread drew it', async () => {
  const overlays = [2, 3, 4, 5, 6, 7].map(volumeOf)
  const found = await Promise.all(overlays.map((map, n) => montagePng(background, map, { title: `map ${n}` })))
  for (const [n, map] of overlays.entries()) {
    assert.is(
      Buffer.compare(found[n]!, await encodePngApart(montage(background, map, { title: `map ${n}` }))),
      0,
      `map ${n}`,
    )
  }
})

apart('a fault of the input arrives as one, and the thread goes on', async () => {
  try {
    await montagePng(background, volumeOf(2), { slices: 0 })
    assert.unreachable()
  } catch (error) {
    assert.instance(error, InputError)
    assert.match((error as Error).message, /slices is 0/)
  }
  assert.ok((await montagePng(background, volumeOf(2), {})).length > 0)
})

apart('a volume that is part of a larger buffer is drawn as it is', async () => {
  const large = new Float32Array(count + 100).fill(7)
  const map = volumeOf(8)
  large.set(map.data, 50)
  const part = { ...map, data: large.subarray(50, 50 + count) }
  const here = await encodePngApart(montage(background, map, {}))
  assert.is(Buffer.compare(await montagePng(background, part, {}), here), 0)
})

apart('the process ends when its work is done, and not before', () => {
  const url = (path: string) => new URL(`../src/io/${path}`, import.meta.url).href
  const program = `
    const { montagePng } = await import('${url('montage-apart.node.ts')}')
    const volume = { shape: [8, 8, 8], affine: ${JSON.stringify(AFFINE)}, data: new Float32Array(512).fill(1) }
    for (let n = 0; n < 4; n++) montagePng(volume, volume, {}).then((png) => process.stdout.write(png.length > 0 ? 'x' : 'o'))
  `
  const cwd = fileURLToPath(new URL('..', import.meta.url))
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['--import', 'tsx', '--input-type=module', '-e', program],
    { cwd, encoding: 'utf8', timeout: 60_000 },
  )
  assert.equal([status, stdout], [0, 'xxxx'], stderr)
})

apart.run()
