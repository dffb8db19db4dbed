/** One step of a program by itself, to be measured. */
import { compile } from './compile.ts'
import { operandsOf, type Step } from './fuse.ts'
import type { Gpu } from './gpu.ts'
import { type CompileOptions, choiceKey, planProgram } from './plan.ts'
import type { Program } from './program.ts'
import {
  apply,
  type Choice,
  type Dispatch,
  type LowerContext,
  type Operation,
  type Piece,
  sizeOf,
  state,
  type Tensor,
} from './tensor.ts'

export interface AloneStep {
  /** The step's work, by one of the choice's variants. Rejects with a GpuError when it does not compile. */
  compile(variant: string): Promise<Program>
  /**
   * The stand-in for each tensor that the step reads or writes, as far as variants were compiled. They live on the GPU and
   * are shared by the programs of all variants, so that many take the memory of one.
   */
  readonly operands: ReadonlyMap<Tensor, Tensor>
}

/**
 * The first step of a program that poses a choice, with what is fused onto it, apart from the rest of the program. Where
 * another variant fuses less, what it leaves to other steps is part of its work.
 * @param outputs and options are the program's, see planProgram
 */
export function isolateStep(
  gpu: Gpu,
  outputs: readonly Tensor[],
  options: CompileOptions,
  choice: Choice,
): AloneStep | undefined {
  const asks = (c: Choice) => choiceKey(c) === choiceKey(choice)
  const planned = (variant: string): readonly Step[] =>
    planProgram(gpu, outputs, { ...options, variant: (c) => (asks(c) ? variant : options.variant?.(c)) }).steps
  const nodes = planned(choice.preferred).find((step) => step.choices.some(asks))?.nodes
  if (!nodes) return undefined
  const operands = new Map<Tensor, Tensor>()
  return {
    operands,
    compile(variant) {
      const steps = planned(variant).filter((step) => step.nodes.some((node) => nodes.includes(node)))
      const temporary = new Set(steps.flatMap((step) => step.scratch))
      for (const t of steps.flatMap((step) => step.dispatches.flatMap(operandsOf))) {
        if (!temporary.has(t) && !operands.has(t)) operands.set(t, state(t.shape, numbers(t), 'measured'))
      }
      const operation: Operation = {
        name: nodes.at(-1)!.operation.name,
        effect: true,
        lower: (_, context) => rebound(steps, operands, context),
      }
      return compile(gpu, {}, { effects: [apply(operation, [...operands.values()], [])], tune: false })
    },
  }
}

/** The dispatches of steps over other operands, and temporaries of this lowering. */
function rebound(steps: readonly Step[], operands: ReadonlyMap<Tensor, Tensor>, context: LowerContext): Dispatch[] {
  const all = new Map(operands)
  for (const t of steps.flatMap((step) => step.scratch)) all.set(t, context.scratch(t.shape, t.dtype))
  const swap = (bind: Readonly<Record<string, Tensor>> = {}) =>
    Object.fromEntries(Object.entries(bind).map(([name, t]) => [name, all.get(t)!]))
  const swapPiece = (piece: Piece): Piece => ({ ...piece, bind: swap(piece.bind) })
  return steps.flatMap((step) =>
    step.dispatches.map((d) => ({ ...d, bind: swap(d.bind), epilogue: d.epilogue?.map(swapPiece) })),
  )
}

/** Between 1/2 and 3/2, so that no kernel meets a special case; indices are 0, which is always a valid one. */
function numbers(t: Tensor): Float32Array | Uint32Array {
  const count = sizeOf(t.shape)
  if (t.dtype === 'u32') return new Uint32Array(count)
  const values = new Float32Array(count)
  const period = Math.min(count, 4093)
  for (let i = 0; i < period; i++) values[i] = 0.5 + ((i * 2654435761) % 65536) / 65536
  for (let done = period; done < count; done *= 2) values.copyWithin(done, 0, Math.min(done, count - done))
  return values
}
