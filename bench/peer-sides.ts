/** Starts the sides of a comparison, ours first, and compares what they make before anything is timed. */
import { difference, type Peer, type Side, type Work } from './peer-work.ts'

/** A side that is ready to be timed. */
export interface Ready {
  readonly name: string
  /** From ours, relative; 0 for ours. */
  readonly difference: number
  readonly run: Side['run']
}

/** A side that is not timed, and why. */
export interface NotTimed {
  readonly name: string
  readonly reason: string
  /** Its result is another than ours, which is worse than having none. */
  readonly failed?: boolean
}

export interface Sides {
  readonly ready: readonly Ready[]
  readonly notTimed: readonly NotTimed[]
  dispose(): Promise<void>
}

/** @param peers ours first; the others are left out where they have nothing to offer for this work. Nobody starts for nobody. */
export async function startSides<W = Work>(peers: readonly Peer<W>[], work: W): Promise<Sides> {
  const started: Side[] = []
  const notTimed: NotTimed[] = []
  const ready: Ready[] = []
  const [ours, ...others] = peers
  const able = others.filter((peer) => peer.does(work))
  if (able.length === 0) return { ready, notTimed, dispose: async () => undefined }
  const [our] = (await ours!.start(work)) as readonly [Side]
  started.push(our)
  ready.push({ name: our.name, difference: 0, run: our.run })
  const reference = await our.read()
  for (const peer of able) {
    for (const side of await attempt(peer, work)) {
      if ('reason' in side) {
        notTimed.push(side)
        continue
      }
      started.push(side)
      const apart = await side
        .read()
        .then((outcome) => difference(reference, outcome))
        .catch(reasonOf)
      if (typeof apart === 'string') notTimed.push({ name: side.name, reason: apart })
      else if (apart <= side.tolerance) ready.push({ name: side.name, difference: apart, run: side.run })
      else notTimed.push({ name: side.name, reason: `results differ by ${apart.toExponential(1)}`, failed: true })
    }
  }
  return {
    ready,
    notTimed,
    async dispose() {
      for (const side of started) await side.dispose()
    },
  }
}

async function attempt<W>(peer: Peer<W>, work: W): ReturnType<Peer['start']> {
  try {
    return await peer.start(work)
  } catch (error) {
    return [{ name: peer.name, reason: reasonOf(error) }]
  }
}

/** The first line of an error, as a table shows it. */
export function reasonOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error)
  return text.trim().split('\n')[0]!.slice(0, 200)
}
