/** Checkpoints of a training in a file (Node only). */
import { InputError } from '../../io/errors.ts'
import { readFileChecked, writeFileAtomic } from '../../io/files.node.ts'
import type { TrainOptions } from './train-options.ts'

/**
 * Options that keep a training's checkpoint in a file and go on from it where there is one. The file is replaced as a
 * whole, so that a training killed at any moment leaves the last checkpoint, or the one before.
 * @throws InputError for a file that may not be read
 */
export async function checkpointFile(path: string): Promise<Pick<TrainOptions, 'resume' | 'onCheckpoint'>> {
  const resume = await readFileChecked(path).catch((error: unknown) => {
    const code = error instanceof InputError && (error.cause as NodeJS.ErrnoException | undefined)?.code
    if (code === 'ENOENT') return undefined
    throw error
  })
  return { resume, onCheckpoint: (bytes) => writeFileAtomic(path, bytes) }
}
