/** jax-js on its WebGPU device, in a page: a convolution and its gradients by its own autodiff, compiled by its jit. */
import { blockUntilReady, defaultDevice, init, jit, lax, numpy as np, vjp } from '@jax-js/jax'
import { type ConvWork, convOperands, type Peer, SAME, type Side } from './peer-work.ts'

/** @throws Error where it has no WebGPU. */
export async function openJax(version: string): Promise<Peer> {
  const found = await init('webgpu')
  if (!found.includes('webgpu')) throw new Error('jax-js finds no WebGPU here')
  defaultDevice('webgpu')
  return {
    name: 'jax-js webgpu',
    version,
    does: (work) => work.kind === 'conv',
    start: async (work) => [await convSide('jax-js webgpu', work as ConvWork)],
    close() {},
  }
}

const PADDING: [number, number][] = [
  [1, 1],
  [1, 1],
  [1, 1],
]
/** Results that are held at a time: few enough for memory, enough to keep a GPU busy. */
const AT_ONCE = 8

const convolve = (x: np.Array, w: np.Array) => lax.convGeneralDilated(x, w, [1, 1, 1], PADDING)

async function convSide(name: string, work: ConvWork): Promise<Side> {
  const { inputs, outputs, size } = work.layer
  const operands = convOperands(work)
  const array = (data: Float32Array, ...shape: number[]) => np.array(data as Float32Array<ArrayBuffer>).reshape(shape)
  const x = array(operands.x, 1, inputs, ...size)
  const w = array(operands.w, outputs, inputs, 3, 3, 3)
  const dy = array(operands.dy, 1, outputs, ...size)
  await blockUntilReady([x, w, dy])
  // A library of owners: an argument is used up, and .ref keeps it.
  const compiled = {
    forward: jit(convolve),
    'data gradient': jit((at: np.Array, kernel: np.Array, seed: np.Array) => {
      const [y, pull] = vjp((v: np.Array) => convolve(v, kernel), [at])
      y.dispose()
      const [dx] = pull(seed)
      pull.dispose()
      return dx
    }),
    'weight gradient': jit((at: np.Array, kernel: np.Array, seed: np.Array) => {
      const [y, pull] = vjp((v: np.Array) => convolve(at, v), [kernel])
      y.dispose()
      const [dw] = pull(seed)
      pull.dispose()
      return dw
    }),
  }
  const once = (): np.Array =>
    work.pass === 'forward' ? compiled.forward(x.ref, w.ref) : compiled[work.pass](x.ref, w.ref, dy.ref)
  return {
    name,
    tolerance: SAME,
    async run(times) {
      // What is disposed of before it is needed is never computed, so results are kept until they are there.
      for (let left = times; left > 0; left -= AT_ONCE) {
        const made = Array.from({ length: Math.min(left, AT_ONCE) }, once)
        await blockUntilReady(made)
        for (const y of made) y.dispose()
      }
      return undefined
    },
    async read() {
      return { result: (await once().data()) as Float32Array }
    },
    dispose() {
      for (const operand of [x, w, dy]) operand.dispose()
      for (const f of Object.values(compiled)) f.dispose()
    },
  }
}
