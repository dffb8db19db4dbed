/** Where libraries run beside ours: this process, or a page of a browser. */
import type { Gpu } from '../src/engine/gpu.ts'
import { openOurs } from './peer-ours.ts'
import { type NotTimed, reasonOf, type Sides, startSides } from './peer-sides.ts'
import type { Peer, Work } from './peer-work.ts'

/** Time limit in ms for a library or a page to start. */
export const STARTING = 60_000

export interface Place {
  readonly name: string
  readonly adapter: string
  readonly software: boolean
  readonly versions: Readonly<Record<string, string>>
  /** Libraries that could not be loaded. */
  readonly notTimed: readonly NotTimed[]
  start(work: Work): Promise<Sides>
  close(): Promise<void>
}

/** This process. @param openers of the libraries, by name. */
export async function openNode(gpu: Gpu, openers: Readonly<Record<string, () => Promise<Peer>>>): Promise<Place> {
  const peers: Peer[] = [openOurs(gpu, '')]
  const notTimed: NotTimed[] = []
  for (const [name, open] of Object.entries(openers)) {
    try {
      peers.push(await open())
    } catch (error) {
      notTimed.push({ name, reason: reasonOf(error) })
    }
  }
  return {
    name: `Node ${process.versions.node}`,
    adapter: gpu.name,
    software: gpu.software,
    versions: Object.fromEntries(peers.slice(1).map(({ name, version }) => [name, version])),
    notTimed,
    start: (work) => startSides(peers, work),
    async close() {
      for (const peer of peers) await peer.close()
    },
  }
}
