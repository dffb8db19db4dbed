/** Our training step: the program that train() runs. */
import { compile } from '../src/engine/compile.ts'
import { type Gpu, release } from '../src/engine/gpu.ts'
import { batchGraph, makeShared, residentsOf } from '../src/model/training/train-step.ts'
import type { Peer } from './peer-work.ts'
import { TRAINING, type TrainWork, trainBatch, trainNetwork } from './train-work.ts'

export function openOurTraining(gpu: Gpu): Peer<TrainWork> {
  return {
    name: 'voxplain',
    version: '',
    does: () => true,
    async start(work) {
      const network = trainNetwork(work)
      const { learningRate, steps, ...optimizer } = TRAINING
      const settings = { learningRate, weightDecay: 0, seed: 1, classWeights: [1, 1] }
      const adam = { kind: 'adam', ...optimizer } as const
      const shared = makeShared(network, settings, steps)
      const graph = batchGraph(network, shared, { ...settings, optimizer: adam }, work.batch)
      const program = await compile(gpu, { trace: shared.trace }, { effects: graph.effects, runs: 1000 })
      const { scans, labels } = trainBatch(work)
      program.write(graph.input, scans)
      program.write(graph.labels, labels)
      const side = {
        name: 'voxplain',
        tolerance: 0,
        async run(times: number) {
          program.run(times)
          await program.done()
          return undefined
        },
        async read() {
          program.run(steps)
          return { losses: await program.read(shared.trace) }
        },
        dispose() {
          program.destroy()
          release(gpu, [...residentsOf([graph]), shared.seed, shared.trace])
        },
      }
      return [side]
    },
    close() {},
  }
}
