/** PyTorch's training step, in a Python process (bench/train_torch.py). */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Spent } from './peer-measure.ts'
import { STARTING } from './peer-place.ts'
import { conversation } from './peer-torch.ts'
import type { Peer } from './peer-work.ts'
import { SAME_LOSSES, TRAINING, type TrainWork, trainBatch, trainNetwork } from './train-work.ts'

/** @throws Error when there is no Python (VOXPLAIN_PYTHON, else python3) that has PyTorch. */
export async function openTorchTraining(): Promise<Peer<TrainWork>> {
  const child = spawn(process.env.VOXPLAIN_PYTHON || 'python3', [
    fileURLToPath(new URL('train_torch.py', import.meta.url)),
  ])
  const ask = conversation(child)
  const about = await ask<{ version: string; device: string; cuda: boolean }>(undefined, STARTING)
  const folder = mkdtempSync(join(tmpdir(), 'voxplain-train-'))
  const name = `pytorch ${about.cuda ? 'cuda' : 'cpu'}`
  return {
    name,
    version: `${about.version} (${about.device})`,
    does: () => true,
    async start(work) {
      const { description, weights } = trainNetwork(work)
      const { scans, labels } = trainBatch(work)
      const arrays = new Map([
        ...weights,
        ['scans', { shape: [work.batch, 1, ...work.size], data: scans }],
        ['labels', { shape: [work.batch], data: Float32Array.from(labels) }],
      ] as const)
      const files = [...arrays].map(([key, { shape, data }], k) => {
        const file = join(folder, `${k}`)
        writeFileSync(file, new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
        return [key, { shape, file }]
      })
      const { layers } = description
      await ask({ do: 'start', layers, training: TRAINING, files: Object.fromEntries(files) })
      const side = {
        name,
        tolerance: SAME_LOSSES,
        run: (times: number) => ask<Spent>({ do: 'run', times }),
        async read() {
          const { losses } = await ask<{ losses: number[] }>({ do: 'read', steps: TRAINING.steps })
          return { losses: Float32Array.from(losses) }
        },
        dispose() {},
      }
      return [side]
    },
    close() {
      child.stdin.end()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
