/** The convolutions of Conv5_FC3 on a scan of 121x145x121: the shapes that everything is measured at. */

export type Size = readonly [number, number, number]

export interface Layer {
  /** As people read it: channels and volume. */
  readonly name: string
  readonly inputs: number
  readonly outputs: number
  /** [D, H, W] of the convolution's input and output (3^3 kernel, padding 1). */
  readonly size: Size
}

const SIZES: readonly Size[] = [
  [121, 145, 121],
  [61, 73, 61],
  [31, 37, 31],
  [16, 19, 16],
  [8, 10, 8],
]
const CHANNELS = [1, 8, 16, 32, 64, 128]

export const layers: readonly Layer[] = SIZES.map((size, k) => named(CHANNELS[k]!, CHANNELS[k + 1]!, size))

function named(inputs: number, outputs: number, size: Size): Layer {
  return { name: `${inputs}->${outputs} @${size.join('x')}`, inputs, outputs, size }
}

/** The same channels on at most `most` voxels an axis. */
export function cropped({ inputs, outputs, size }: Layer, most: Size): Layer {
  return named(inputs, outputs, size.map((d, a) => Math.min(d, most[a]!)) as unknown as Size)
}

/** Operations of one convolution, or of either of its gradients: a multiply and an add for each tap. */
export function convFlops({ inputs, outputs, size }: Layer): number {
  return 2 * inputs * outputs * 27 * size[0] * size[1] * size[2]
}

/** Picks layers by a part of their name, e.g. `8->16` or `8x10x8`; all when nothing is asked for. */
export function pickLayers(from: readonly Layer[], words: readonly string[] | undefined): readonly Layer[] {
  return words ? from.filter(({ name }) => words.some((word) => name.includes(word))) : from
}
