/** One of several adapters, by its number (Node only). */
import { NoAdapterError } from './adapter.ts'

/** Makes a Dawn with a command line: `create` of the npm package `webgpu`. */
export type CreateDawn = (options: string[]) => GPU

/** No adapter is called so. */
const NOBODY = '(none of them)'

/** Dawn may offer a GPU once for each of its interfaces; this is the one that it computes with here. */
const BACKENDS: Readonly<Partial<Record<NodeJS.Platform, string>>> = { darwin: 'metal', win32: 'd3d12' }
const backend = BACKENDS[process.platform] ?? 'vulkan'

/**
 * Names of all adapters, in the order in which the driver has them. WebGPU has no call for this: Dawn tells the names when
 * it is asked for one that there is not.
 */
export async function adapterNames(create: CreateDawn): Promise<string[]> {
  const said = await create(dawnChoice(NOBODY))
    .requestAdapter()
    .then(
      () => '',
      (error: Error) => error.message,
    )
  return [...said.matchAll(/backend: '([^']*)', name: '(.*)'$/gm)].flatMap(([, of, name]) =>
    of === backend ? [name!] : [],
  )
}

/** Dawn's command line for the adapter of a name. */
export function dawnChoice(name: string): string[] {
  return [`backend=${backend}`, `adapter=${name}`]
}

/**
 * The name by which Dawn finds the adapter of a number.
 * @param asked how the user said it, for the errors
 * @throws NoAdapterError that lists the adapters, where the number is none or the adapter cannot be told from an earlier one
 */
export function nameOfAdapter(names: readonly string[], asked: string): string {
  const listed = names.map((name, n) => `${n}: ${name}`).join(', ')
  const name = /^\d+$/.test(asked.trim()) ? names[Number(asked)] : undefined
  if (name === undefined) {
    throw new NoAdapterError(
      `There is no GPU number ${asked} (--gpu or VOXPLAIN_GPU). Those that there are: ${listed || 'none'}.`,
    )
  }
  // Dawn takes the first whose name has the words in it.
  const first = names.findIndex((one) => one.includes(name))
  if (first !== Number(asked)) {
    throw new NoAdapterError(
      `GPU ${asked} cannot be told from GPU ${first} by its name, and Dawn knows no other way (${listed}). ` +
        'Let the scheduler show the process its own GPU alone, then no number is needed (see docs/cluster.md).',
    )
  }
  return name
}
