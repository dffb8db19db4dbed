/** The page of a comparison in a browser: Node (bench/peer-chromium.ts) asks it to start sides, run them, and let go. */
import { openGpu } from '../src/engine/gpu.ts'
import { openOurs } from './peer-ours.ts'
import { type NotTimed, reasonOf, type Sides, startSides } from './peer-sides.ts'
import type { Peer, Work } from './peer-work.ts'

export interface PageAnswer {
  readonly ready: readonly { readonly name: string; readonly difference: number }[]
  readonly notTimed: readonly NotTimed[]
}

export interface PeerPage {
  /** Opens the GPU and the libraries asked for. */
  open(names: readonly string[], jaxVersion: string): Promise<PageOpened>
  start(work: Work): Promise<PageAnswer>
  /** Milliseconds of all `times`. */
  run(side: number, times: number): Promise<number>
  dispose(): Promise<void>
}

export interface PageOpened {
  readonly adapter: string
  readonly software: boolean
  readonly versions: Readonly<Record<string, string>>
  readonly notTimed: readonly NotTimed[]
}

const peers: Peer[] = []
let sides: Sides | undefined

/** Libraries are loaded one by one, so that one that fails does not take the other with it. */
async function open(names: readonly string[], jaxVersion: string): Promise<PageOpened> {
  const gpu = await openGpu()
  peers.push(openOurs(gpu, ''))
  const openers: Record<string, () => Promise<Peer>> = {
    onnxruntime: async () => (await import('./peer-onnxruntime.ts')).openOnnxRuntime(),
    jax: async () => (await import('./peer-jax.ts')).openJax(jaxVersion),
  }
  const notTimed: NotTimed[] = []
  for (const name of names) {
    try {
      peers.push(await openers[name]!())
    } catch (error) {
      notTimed.push({ name, reason: reasonOf(error) })
    }
  }
  const versions = Object.fromEntries(peers.slice(1).map(({ name, version }) => [name, version]))
  return { adapter: gpu.name, software: gpu.software, versions, notTimed }
}

const page: PeerPage = {
  open,
  async start(work) {
    sides = await startSides(peers, work)
    const { ready, notTimed } = sides
    return { ready: ready.map(({ name, difference }) => ({ name, difference })), notTimed }
  },
  async run(side, times) {
    const start = performance.now()
    await sides!.ready[side]!.run(times)
    return performance.now() - start
  },
  async dispose() {
    await sides?.dispose()
  },
}

Object.assign(globalThis, { peerPage: page })
