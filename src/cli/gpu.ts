/** The GPU of one command: opened late, always let go of, so that the process can end. */
import { createRequire } from 'node:module'
import { closeGpu, type Gpu, megabytes, openGpu } from '../engine/gpu.ts'
import type { MemoryReport } from '../engine/plan.ts'
import { nodePlatform } from '../engine/platform.node.ts'
import { closePlatform, requestGpuAdapter, usePlatform } from '../engine/platform.ts'
import { openSession, type Session } from '../engine/session.ts'
import { tune } from '../engine/tune.ts'
import type { Reporter } from './terminal.ts'

/**
 * Runs work on a GPU and closes it, whatever happens.
 * @param toggles of Dawn, see AdapterRequest
 */
export async function withGpu<T>(work: (gpu: Gpu) => Promise<T>, toggles: readonly string[] = []): Promise<T> {
  usePlatform(nodePlatform)
  try {
    const gpu = await openGpu({ adapter: await requestGpuAdapter({ toggles }), tune })
    try {
      return await work(gpu)
    } finally {
      closeGpu(gpu)
    }
  } finally {
    closePlatform()
  }
}

/**
 * Runs work that survives the loss of its GPU, and closes what is open in the end.
 * @param reporter tells the user of a loss
 */
export async function withSession<T>(
  work: (session: Session) => Promise<T>,
  reporter: Pick<Reporter, 'warn'>,
): Promise<T> {
  usePlatform(nodePlatform)
  try {
    const session = await openSession(() => openGpu({ tune }), { onLoss: reporter.warn })
    try {
      return await work(session)
    } finally {
      session.close()
    }
  } finally {
    closePlatform()
  }
}

/** As withGpu, with timestamps as fine as the device has them; pages, and by default Dawn, get them in steps of 65 us. */
export function withBenchGpu<T>(work: (gpu: Gpu) => Promise<T>): Promise<T> {
  return withGpu(work, ['-timestamp_quantization'])
}

/** What computed a result, for the record. */
export function describeGpu(gpu: Gpu): { adapter: string; software: boolean; versions: Record<string, string> } {
  return { adapter: gpu.name, software: gpu.software, versions: versions() }
}

/** Versions of this package, Node, and Dawn's npm package. */
export function versions(): { voxplain: string; node: string; webgpu: string } {
  const require = createRequire(import.meta.url)
  const versionOf = (file: string) => (require(file) as { version: string }).version
  return { voxplain: versionOf('../../package.json'), node: process.version, webgpu: versionOf('webgpu/package.json') }
}

/** Planned GPU memory in words. */
export function describeMemory({ total, temporaries, fixed, resident }: MemoryReport): string {
  return (
    `planned GPU memory ${megabytes(total)} ` +
    `(temporaries ${megabytes(temporaries)}, inputs and results ${megabytes(fixed)}, weights and state ${megabytes(resident)})`
  )
}
