/** What a network gives for one input, on the GPU. */
import { compile } from '../../src/engine/compile.ts'
import { release } from '../../src/engine/gpu.ts'
import { buildNetwork } from '../../src/model/build.ts'
import type { Network } from '../../src/model/description.ts'
import { testGpu } from './evaluate.ts'

/** The input of the reference scripts: x[i] = (i * 7919 % 1009) / 1009. */
export function referenceInput(shape: readonly number[]): Float32Array {
  return Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, k) => ((k * 7919) % 1009) / 1009)
}

/** Logits and probabilities. */
export async function outputsOf(
  network: Network,
  x: Float32Array,
): Promise<{ logits: Float32Array; probabilities: Float32Array }> {
  const gpu = await testGpu()
  const built = buildNetwork(network)
  const program = await compile(gpu, { z: built.logits, p: built.probabilities }, { frozen: true })
  program.write(built.input, x)
  program.run()
  const result = { logits: await program.read(built.logits), probabilities: await program.read(built.probabilities) }
  program.destroy()
  release(gpu, [...built.parameters.values()])
  return result
}
