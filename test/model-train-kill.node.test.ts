/** A training that is killed (SIGKILL) again and again at random moments ends with the bits of one that was left alone. */
import { spawn } from 'node:child_process'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { uniformStream } from '../src/model/random.ts'

const test = suite('killed training')
const KILLS = 10
const child = fileURLToPath(new URL('support/training-child.ts', import.meta.url))

/** Runs the child, and kills it some milliseconds after it has written so many checkpoints. */
function run(
  file: string,
  kill?: { checkpoints: number; later: number },
): Promise<{ printed: string; signal: string | null }> {
  return new Promise((resolve, reject) => {
    const running = spawn(process.execPath, ['--import', 'tsx', child, file], { stdio: ['ignore', 'pipe', 'pipe'] })
    let printed = ''
    let errors = ''
    let waiting = kill !== undefined
    running.stderr.setEncoding('utf8').on('data', (text) => {
      errors += text
    })
    running.stdout.setEncoding('utf8').on('data', (text) => {
      printed += text
      if (!waiting || printed.split('checkpoint').length - 1 < kill!.checkpoints) return
      waiting = false
      setTimeout(() => running.kill('SIGKILL'), kill!.later)
    })
    running.on('error', reject)
    running.on('close', (code, signal) => {
      if (code === 0 || signal) resolve({ printed, signal })
      else reject(new Error(`the training ended with ${code}: ${errors}`))
    })
  })
}

test('kill -9 at random moments, then go on', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'voxplain-kill-'))
  try {
    const whole = await run(join(folder, 'whole.safetensors'))
    const count = whole.printed.split('checkpoint').length - 1
    // Four steps an epoch, a checkpoint after each.
    assert.is(count, 40)
    const next = uniformStream(9, 'kills')
    const file = join(folder, 'killed.safetensors')
    for (let kill = 0; kill < KILLS; kill++) {
      const { printed, signal } = await run(file, { checkpoints: 1 + Math.floor(3 * next()), later: 25 * next() })
      assert.is(signal, 'SIGKILL', `it ended before kill ${kill + 1}: ${printed}`)
    }
    const ended = await run(file)
    const done = ended.printed.split('checkpoint').length - 1
    assert.ok(done < count, 'the last run started from the beginning')
    assert.match(whole.printed, /result [0-9a-f]{64}/)
    assert.is(ended.printed.match(/result \w+/)?.[0], whole.printed.match(/result \w+/)?.[0])
    assert.ok((await readdir(folder)).includes('killed.safetensors'))
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})

test.run()
