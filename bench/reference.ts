/**
 * The yardstick: a kernel that never changes (shaders/bench/reference.wgsl), timed in turns with what is measured. A kernel's
 * time as a multiple of its own says whether the kernel became slower or the machine did.
 */
import '../src/engine/shaders-bench.gen.ts'
import { compile } from '../src/engine/compile.ts'
import type { Gpu } from '../src/engine/gpu.ts'
import { linearGroups } from '../src/engine/ops/launch.ts'
import type { Program } from '../src/engine/program.ts'
import { apply, input, type Operation } from '../src/engine/tensor.ts'
import { median, type Timing } from './measure.ts'
import { values } from './values.ts'

/** Constants of the kernel; like its sizes they stay as they are. */
const [TAPS, STEP] = [64, 61]
/** Outputs: some 20 ms on two cores, and enough for any GPU. */
const COUNT = { software: 2 ** 16, hardware: 2 ** 22 } as const

/** Slower or faster than recorded by more than this is marked. */
const NOTABLE = 0.15
/** The mark of what became slower. */
export const SLOWER = 'SLOWER'

/** Compiles the reference kernel. Its operands are its own, so it outlives release(). */
export async function referenceProgram(gpu: Gpu): Promise<Program> {
  const count = gpu.software ? COUNT.software : COUNT.hardware
  const [x, w] = [input([count + (TAPS - 1) * STEP]), input([TAPS])]
  const operation: Operation = {
    name: 'reference',
    lower: ({ outputs }) => [
      { kernel: 'bench/reference', bind: { x, w, y: outputs[0]! }, groups: linearGroups(count, 64) },
    ],
  }
  const y = apply(operation, [x, w], [{ shape: [count] }]).outputs[0]!
  const program = await compile(gpu, { y })
  program.write(x, values(x.shape[0]!, 1))
  program.write(w, values(TAPS, 2))
  program.run()
  await program.done()
  return program
}

/**
 * A time as a multiple of the reference's: the median over rounds, in each of which both were timed.
 * On a software adapter of CPU time, which is the work however busy the machine is.
 */
export function ratioTo(reference: Timing, timing: Timing, software: boolean): number {
  const of = (t: Timing) => (software ? t.cpuSamples : t.samples)
  return median(of(timing).map((time, round) => time / of(reference)[round]!))
}

/** How a ratio compares with the recorded one, marked where that is worth a look. */
export function comparedWith(recorded: number | undefined, ratio: number): string {
  if (recorded === undefined) return '-'
  const change = ratio / recorded - 1
  const percent = `${change < 0 ? '' : '+'}${(100 * change).toFixed(0)} %`
  if (change > NOTABLE) return `${percent} ${SLOWER}`
  // As much faster as that is slower.
  return change < 1 / (1 + NOTABLE) - 1 ? `${percent} faster` : percent
}
