/** PyTorch in a Python process of its own (bench/torch_bench.py), asked to start, run and read in turn with ours. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Spent } from './peer-measure.ts'
import { STARTING } from './peer-place.ts'
import {
  benchNetwork,
  convOperands,
  MASK,
  type Outcome,
  type Peer,
  plainNetwork,
  type Refusal,
  SAME,
  SAME_STEPS,
  type Side,
  scanOf,
  type Work,
} from './peer-work.ts'

/** TF32 keeps 10 bits of a product's mantissa. */
const SAME_TF32 = 2e-2

type Array = { readonly shape: readonly number[]; readonly data: Float32Array }
type Started = { readonly name: string; readonly tf32: boolean } | Refusal

/** @throws Error when there is no Python (VOXPLAIN_PYTHON, else python3) that has PyTorch. */
export async function openTorch(): Promise<Peer> {
  const python = process.env.VOXPLAIN_PYTHON || 'python3'
  const child = spawn(python, [fileURLToPath(new URL('torch_bench.py', import.meta.url))])
  const ask = conversation(child)
  const about = await ask<{ version: string; device: string; cuda: boolean }>(undefined, STARTING)
  const folder = mkdtempSync(join(tmpdir(), 'voxplain-torch-'))
  const name = `pytorch ${about.cuda ? 'cuda' : 'cpu'}`
  return {
    name,
    version: `${about.version} (${about.device})`,
    does: () => true,
    async start(work) {
      const files = Object.entries(arraysOf(work)).map(([key, { shape, data }]) => {
        const file = join(folder, key)
        writeFileSync(file, new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
        return [key, { shape, file }]
      })
      const request = { do: 'start', work: describe(work), files: Object.fromEntries(files) }
      const { sides } = await ask<{ sides: Started[] }>(request)
      let place = 0
      return sides.map((side) => {
        const full = `${name}, ${side.name}`
        return 'reason' in side
          ? { name: full, reason: side.reason }
          : sideOf(ask, folder, work, full, side.tf32, place++)
      })
    },
    close() {
      child.stdin.end()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

export type Ask = <T>(request: object | undefined, limit?: number) => Promise<T>

/** One question at a time, each answered by a line; `undefined` only listens. */
export function conversation(child: ChildProcessWithoutNullStreams): Ask {
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said = (said + text).slice(-2000)))
  child.stdin.on('error', () => undefined)
  const ended = new Promise<never>((_, reject) => {
    const last = () => said.trim().split('\n').at(-1) || 'it said nothing'
    child.on('error', (error) => reject(error))
    child.on('close', (code) => reject(new Error(`Python ended with exit code ${code}: ${last()}`)))
  })
  ended.catch(() => undefined)
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  return async <T>(request: object | undefined, limit?: number) => {
    if (request) child.stdin.write(`${JSON.stringify(request)}\n`)
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => {
      if (limit) timer = setTimeout(() => reject(new Error(`Python does not answer within ${limit / 1000} s`)), limit)
    })
    // The end of the lines comes before the reason for it.
    const answer = lines
      .next()
      .then(({ done, value }) => (done ? ended : (JSON.parse(value) as T & { error?: string })))
    const found = await Promise.race([answer, ended, late]).finally(() => clearTimeout(timer))
    if (found.error) throw new Error(found.error)
    return found
  }
}

function sideOf(ask: Ask, folder: string, work: Work, name: string, tf32: boolean, side: number): Side {
  return {
    name,
    tolerance: tf32 ? SAME_TF32 : work.kind === 'mask' ? SAME_STEPS : SAME,
    run: (times) => ask<Spent>({ do: 'run', side, times }),
    async read(): Promise<Outcome> {
      const results = join(folder, 'results')
      mkdirSync(results, { recursive: true })
      const { files } = await ask<{ files: Record<string, string> }>({ do: 'read', side, folder: results })
      const read = (path: string) => new Float32Array(new Uint8Array(readFileSync(path)).buffer)
      return Object.fromEntries(Object.entries(files).map(([key, path]) => [key, read(path)]))
    },
    async dispose() {
      await ask({ do: 'dispose' })
    },
  }
}

/** What the script needs to know besides the arrays. */
function describe(work: Work): object {
  if (work.kind === 'conv') return { kind: 'conv', pass: work.pass }
  const { blocks, dense } = plainNetwork(benchNetwork(work.size))
  const settings = work.kind === 'mask' ? { settings: MASK } : {}
  return { kind: work.kind, fronts: blocks.map(({ front }) => front), dense: dense.length, ...settings }
}

function arraysOf(work: Work): Readonly<Record<string, Array>> {
  if (work.kind === 'conv') {
    const { inputs, outputs, size } = work.layer
    const { x, w, dy } = convOperands(work)
    return {
      x: { shape: [1, inputs, ...size], data: x },
      w: { shape: [outputs, inputs, 3, 3, 3], data: w },
      dy: { shape: [1, outputs, ...size], data: dy },
    }
  }
  const { blocks, dense } = plainNetwork(benchNetwork(work.size))
  const arrays: Record<string, Array> = { x: { shape: [1, 1, ...work.size], data: scanOf(work.size) } }
  for (const [k, { inputs, outputs, weight, ...vectors }] of blocks.entries()) {
    arrays[`weight${k}`] = { shape: [outputs, inputs, 3, 3, 3], data: weight }
    for (const name of ['bias', 'scale', 'shift'] as const)
      arrays[`${name}${k}`] = { shape: [outputs], data: vectors[name] }
  }
  for (const [k, { from, to, weight, bias }] of dense.entries()) {
    arrays[`dense${k}`] = { shape: [to, from], data: weight }
    arrays[`offset${k}`] = { shape: [to], data: bias }
  }
  return arrays
}
