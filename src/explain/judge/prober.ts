/** What a network says of copies of a scan in which groups of voxels are replaced. */
import { compile } from '../../engine/compile.ts'
import type { Gpu } from '../../engine/gpu.ts'
import type { MemoryReport } from '../../engine/plan.ts'
import type { Precision } from '../../engine/precision.ts'
import { input } from '../../engine/tensor.ts'
import { buildNetwork } from '../../model/build.ts'
import type { Network } from '../../model/description.ts'
import { keepGroups } from './keep-groups.ts'

/** Voxels in groups, counted from 0; those of group `count` are never replaced. */
export interface Grouping {
  /** Group of every voxel of the network's input. */
  readonly of: Uint32Array
  readonly count: number
}

export interface Prober {
  readonly memory: MemoryReport
  /**
   * @param scan, fill the network's input each. @param copies how many
   * @param replaced whether a copy is without a group
   * @returns logits of each copy
   * @throws GpuError when the GPU fails
   */
  probe(
    scan: Float32Array,
    fill: Float32Array,
    groups: Grouping,
    copies: number,
    replaced: (copy: number, group: number) => boolean,
  ): Promise<number[][]>
  destroy(): void
}

/**
 * Compiles a prober.
 * @param groups the most groups that a scan will be split into. @param batch copies at a time
 * @throws GpuError before anything is allocated when memory does not suffice
 */
export async function makeProber(
  gpu: Gpu,
  network: Network,
  groups: number,
  options: { batch: number; memoryLimit?: number; precision?: Precision },
): Promise<Prober> {
  const { batch, memoryLimit, precision } = options
  const shape = [1, ...network.description.input]
  const [x, other] = [input(shape, 'scan'), input(shape, 'replacement')]
  const group = input(shape, 'group', 'u32')
  const keep = input([batch, groups + 1], 'keep', 'u32')
  const { logits } = buildNetwork(network, { input: keepGroups(x, other, group, keep) })
  const program = await compile(gpu, { logits }, { frozen: true, memoryLimit, precision })
  const classes = logits.shape[1]!
  let busy: Promise<unknown> = Promise.resolve()

  async function run(...[scan, fill, { of, count }, copies, replaced]: Parameters<Prober['probe']>) {
    program.write(x, scan)
    program.write(other, fill)
    program.write(group, of)
    const found: number[][] = []
    while (found.length < copies) {
      const table = new Uint32Array(batch * (groups + 1)).fill(1)
      const now = Math.min(batch, copies - found.length)
      for (let n = 0; n < now; n++) {
        for (let g = 0; g < count; g++) table[n * (groups + 1) + g] = Number(!replaced(found.length + n, g))
      }
      program.write(keep, table)
      program.run()
      const rows = await program.read(logits)
      for (let n = 0; n < now; n++) found.push(Array.from(rows.subarray(n * classes, (n + 1) * classes)))
    }
    return found
  }

  return {
    memory: program.memory,
    probe(...asked) {
      // A run writes over what the one before it left.
      const work = busy.then(() => run(...asked))
      busy = work.catch(() => undefined)
      return work
    },
    destroy: () => program.destroy(),
  }
}
