/** --gpu <number>: which adapter, on a machine with several. */
import { type Command, Option } from 'commander'
import { integerOption } from './options.ts'

/** Commands that compute on the GPU. */
const COMMANDS = [
  'doctor',
  'predict',
  'evaluate',
  'explain',
  'bids',
  'judge',
  'train',
  'cv',
  'search',
  'study',
  'bench',
  'tune',
]

/**
 * Gives the option to every command that computes on the GPU. It is the environment variable VOXPLAIN_GPU for that command,
 * and no option of its own: what is computed does not depend on it.
 */
export function addGpuOption(program: Command): void {
  const flag = () => new Option('--gpu <number>', 'adapter to use, from 0, as voxplain doctor lists them')
  for (const command of program.commands.filter((one) => COMMANDS.includes(one.name()))) {
    const leaves = command.commands.length > 0 ? command.commands : [command]
    for (const leaf of leaves) leaf.addOption(flag().argParser(integerOption(0)))
  }
  program.hook('preAction', (_, action) => {
    const { gpu } = action.opts<{ gpu?: number }>()
    if (gpu === undefined) return
    process.env.VOXPLAIN_GPU = String(gpu)
    action.setOptionValue('gpu', undefined)
  })
}

/** Runs a command, and leaves the environment as it was. */
export async function withGpuOption(work: () => Promise<unknown>): Promise<void> {
  const before = process.env.VOXPLAIN_GPU
  try {
    await work()
  } finally {
    if (before === undefined) delete process.env.VOXPLAIN_GPU
    else process.env.VOXPLAIN_GPU = before
  }
}
