/** Maps that explain nothing: what a method must beat. */
import { compile } from '../../engine/compile.ts'
import type { Gpu } from '../../engine/gpu.ts'
import { buildNetwork } from '../../model/build.ts'
import type { Network } from '../../model/description.ts'
import { argmax, softmaxOf } from '../../model/evaluation/metrics.ts'
import { uniformStream } from '../../model/random.ts'
import { inTurns } from '../graph-explainer.ts'
import { checkInputs, type Explainer, type MakeOptions, type Method, type MethodInput } from '../method.ts'

/** Relevance by chance: what any measure gives a map that knows nothing. */
export const randomMap: Method = {
  name: 'random',
  title: 'Random map',
  source: 'control',
  signed: true,
  settings: {},
  make(gpu, network, _, options = {}) {
    const { seed = 0 } = options
    return explainerOf(gpu, network, options, ({ tensor }) => {
      // By the scan's own bits: the same scan has the same map, whatever else is judged.
      const bits = new Uint32Array(tensor.buffer, tensor.byteOffset, tensor.length)
      const next = uniformStream(seed, `map ${bits.reduce((hash, value) => Math.imul(hash ^ value, 16777619), 0)}`)
      return tensor.map(() => 2 * next() - 1)
    })
  },
}

/** The scan itself, which takes no notice of the network: it must not pass the randomisation of weights. */
export const scanMap: Method = {
  name: 'scan',
  title: 'The scan itself',
  source: 'control',
  signed: false,
  settings: {},
  make: (gpu, network, _, options = {}) => explainerOf(gpu, network, options, ({ tensor }) => tensor.map(Math.abs)),
}

async function explainerOf(
  gpu: Gpu,
  network: Network,
  { memoryLimit, precision }: MakeOptions,
  map: (scan: MethodInput) => Float32Array,
): Promise<Explainer> {
  const { input, logits } = buildNetwork(network)
  const program = await compile(gpu, { logits }, { frozen: true, memoryLimit, precision, runs: 3 })
  const runBatch = async (inputs: readonly MethodInput[]) => {
    const [scan] = inputs as [MethodInput]
    program.write(input, scan.tensor)
    program.run()
    const row = Array.from(await program.read(logits))
    const target = scan.target ?? argmax(row)
    return [{ relevance: map(scan), target, logits: row, probabilities: softmaxOf(row), facts: {} }]
  }
  return {
    ...inTurns(1, runBatch, (inputs) => checkInputs(network, inputs, logits.shape[1]!)),
    memory: program.memory,
    destroy: () => program.destroy(),
  }
}
