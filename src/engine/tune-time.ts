/** How long a program takes. */
import type { Gpu } from './gpu.ts'
import type { Program } from './program.ts'

/** Milliseconds a measurement should take: long against the clock's steps, and against submitting and waiting. */
const LONG = 6
const MOST_RUNS = 1024

/**
 * A way to measure a program, in milliseconds a run: by timestamps where there are some and a run is long against their
 * steps (0.1 ms on a page), else by the clock, over as many runs as make up for waiting.
 */
export async function stopwatch(gpu: Gpu, program: Program): Promise<() => Promise<number>> {
  // The first run pays for what drivers put off until then.
  await clock(program, 1)
  let runs = 1
  let time = await clock(program, runs)
  if (time >= LONG && gpu.features.has('timestamp-query')) {
    return async () => (await program.profile()).reduce((sum, launch) => sum + launch.milliseconds, 0)
  }
  // A few runs are mostly waiting, so the number is found in steps.
  while (time * runs < LONG && runs < MOST_RUNS) {
    runs = Math.min(MOST_RUNS, Math.max(2 * runs, Math.ceil(LONG / Math.max(time, LONG / MOST_RUNS))))
    time = await clock(program, runs)
  }
  return () => clock(program, runs)
}

async function clock(program: Program, runs: number): Promise<number> {
  const start = performance.now()
  program.run(runs)
  await program.done()
  return (performance.now() - start) / runs
}
