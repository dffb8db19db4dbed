/** Which dispatches of a program need only make what is live (see live.ts), and their lists of threads. */
import { countBindings, type FuseOptions, type Step } from './fuse.ts'
import { gradientOf } from './gradients/origin.ts'
import { type LiveTensors, liveTasks, liveTensors, liveVoxels } from './live.ts'
import { input, type Node, sizeOf, storageOf, type TaskGrid, type Tensor } from './tensor.ts'

/** The threads of one dispatch that are to run. */
interface TaskList {
  /** u32: how many, then their numbers. */
  readonly list: Tensor
  readonly grid: TaskGrid
  /** Tensor whose live voxels decide. */
  readonly of: Tensor
}

export interface LivePlan {
  readonly root: Tensor
  readonly tensors: LiveTensors
  readonly lists: readonly TaskList[]
  /** Tensors that keep from run to run what is not live, so that their memory cannot be shared. */
  readonly kept: readonly Tensor[]
}

/**
 * Rewrites the dispatches that can leave out threads. Forward, what is not live stays in place; gradients are not needed there.
 * @param nodes those of the program, in topological order
 */
export function planLive(
  root: Tensor,
  nodes: readonly Node[],
  steps: readonly Step[],
  { limits, maxBinding }: FuseOptions,
): { steps: Step[]; live: LivePlan } {
  const tensors = liveTensors(root, nodes)
  const lists: TaskList[] = []
  const kept: Tensor[] = []
  const rewritten = steps.map((step): Step => {
    const [dispatch] = step.dispatches
    const made = step.node.outputs[0]
    if (step.dispatches.length !== 1 || !dispatch?.tasks || !made) return step
    const forward = tensors.has(made)
    const of = forward ? made : lastGradient(step.nodes)
    const grid = dispatch.tasks
    if (!of || !tensors.has(of) || !grid.size.every((n, a) => n === of.shape[a + 2])) return step
    const threads = sizeOf(grid.size.map((n, a) => Math.ceil(n / grid.tile[a]!))) * grid.scans * grid.blocks
    const list = input([threads + 1], 'tasks', 'u32')
    const listed = {
      ...dispatch,
      constants: { ...dispatch.constants, LISTED: 1 },
      bind: { ...dispatch.bind, tasks: list },
    }
    if (countBindings(listed, maxBinding) > limits.maxStorageBuffersPerShaderStage) return step
    lists.push({ list, grid, of })
    // What is made of a gradient may be read where nothing is live, too: it stays what the last run of everything made.
    if (forward || !gradientOf(made)) kept.push(...step.node.outputs.map(storageOf), ...outputsOf(step))
    return { ...step, dispatches: [listed] }
  })
  return { steps: rewritten, live: { root, tensors, lists, kept: [...new Set(kept)] } }
}

/** Whose gradient the nodes of a step make, before the pieces that follow it place by place. */
function lastGradient(nodes: readonly Node[]): Tensor | undefined {
  return nodes.map((node) => node.outputs[0] && gradientOf(node.outputs[0])).findLast((t) => t !== undefined)
}

/** What the kernel of a step writes, by the names that kernels give it. */
function outputsOf({ dispatches }: Step): Tensor[] {
  return dispatches.flatMap(({ bind: { y, index } }) => [y, index]).filter((t): t is Tensor => t?.node !== undefined)
}

/**
 * The lists for given live voxels.
 * @param root [N, D, H, W], 1 for those that may change; undefined: everything runs
 */
export function taskLists({ tensors, lists }: LivePlan, root?: Uint8Array): (readonly [Tensor, Uint32Array])[] {
  const voxels = root && liveVoxels(tensors, root)
  return lists.map(({ list, grid, of }) => [list, liveTasks(grid, voxels?.(of))])
}
