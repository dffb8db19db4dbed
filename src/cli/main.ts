/** The command line: commands, and what their failures mean for the exit code. */
import { Command, CommanderError } from 'commander'
import { NoAdapterError } from '../engine/adapter.ts'
import { GpuError, ShapeError } from '../engine/errors.ts'
import { InputError } from '../io/errors.ts'
import { addBench } from './bench.ts'
import { addBids } from './bids.ts'
import { bidsSpelling } from './bids-options.ts'
import { addCohort } from './cohort.ts'
import { addCompare } from './compare.ts'
import { addConvert } from './convert.ts'
import { addCv } from './cv.ts'
import { addDoctor } from './doctor.ts'
import { addEvaluate } from './evaluate.ts'
import { addExplain } from './explain.ts'
import { versions } from './gpu.ts'
import { addGpuOption, withGpuOption } from './gpu-option.ts'
import { addInspect } from './inspect.ts'
import { addJudge } from './judge.ts'
import { addPhantom } from './phantom.ts'
import { addPredict } from './predict.ts'
import { addRegions } from './regions.ts'
import { addSearch } from './search.ts'
import { addStatus } from './status.ts'
import { addStudy } from './study.ts'
import { oneLine, processTerminal, type Terminal } from './terminal.ts'
import { addTrain } from './train.ts'
import { addTune } from './tune.ts'
import { addView } from './view.ts'

const HELP = `
Exit codes: 0 done; 1 some scans or the GPU failed, what else was asked is done; 2 wrong use or unusable input.
Results go to stdout, everything about the work to stderr. VOXPLAIN_DEBUG=1 shows where an error came from.

Example:
  voxplain explain network.safetensors sub-01_gm.nii.gz --target AD --out maps
`

/**
 * Runs one command.
 * @param argv what follows the program's name
 * @returns the exit code: 0, 1 (some scans failed, or the GPU did) or 2 (wrong use, bad input before any work)
 */
export async function main(argv: readonly string[], terminal: Terminal = processTerminal): Promise<number> {
  let code = 0
  const program = makeProgram(terminal, (result) => {
    code = result
  })
  try {
    await withGpuOption(() => program.parseAsync(bidsSpelling(argv), { from: 'user' }))
    return code
  } catch (error) {
    return report(error, terminal)
  }
}

function makeProgram(terminal: Terminal, finish: (code: number) => void): Command {
  const program = new Command('voxplain')
    .description('Explains what 3D convolutional networks see in brain volumes, on the GPU (WebGPU).')
    .version(versions().voxplain)
    .addHelpText('after', HELP)
    .exitOverride()
    // Options belong to the command that they follow: bench and its operations have some of the same name.
    .enablePositionalOptions()
    .configureOutput({
      writeOut: (text) => terminal.out(text),
      writeErr: (text) => terminal.err(text),
      outputError: (text, write) => write(`voxplain: ${oneLine(text).replace(/^error: /, '')}; see --help\n`),
    })
  for (const add of [
    addDoctor,
    addInspect,
    addConvert,
    addPredict,
    addEvaluate,
    addExplain,
    addBids,
    addStatus,
    addJudge,
    addPhantom,
    addCohort,
    addTrain,
    addCv,
    addSearch,
    addStudy,
    addCompare,
    addRegions,
    addBench,
    addTune,
    addView,
  ])
    add(program, terminal, finish)
  addGpuOption(program)
  return program
}

/** One line for people; the whole error with VOXPLAIN_DEBUG=1. */
function report(error: unknown, terminal: Terminal): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
  if (process.env.VOXPLAIN_DEBUG === '1') terminal.err(`${error instanceof Error ? error.stack : error}\n`)
  const message = oneLine(error instanceof Error ? error.message : String(error))
  const expected = [InputError, ShapeError, GpuError, NoAdapterError].some((kind) => error instanceof kind)
  terminal.err(`voxplain: ${expected ? message : `internal error: ${message} (VOXPLAIN_DEBUG=1 shows where)`}\n`)
  return error instanceof InputError || error instanceof ShapeError ? 2 : 1
}
