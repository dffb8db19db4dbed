/**
 * Python's pickle format, protocols 0 to 5, as data only. Nothing in a file is ever run: a name it wants to import is
 * looked up in the caller's own short list, and any other is refused.
 * Opcodes: CPython, Lib/pickletools.py.
 */
import { InputError } from '../../io/errors.ts'
import { makeCursor, type PickleCursor } from './pickle-cursor.ts'

/** Stands for a Python callable: makes a value of the arguments it is called with. */
export type PickleFunction = (args: readonly unknown[]) => unknown

export interface PickleHooks {
  /** Our own stand-in for an imported name, `module.name`; undefined refuses it. Functions may be called by the file. */
  global(name: string): unknown
  /** What a persistent id refers to. */
  persistent(id: unknown): unknown
}

/** A checkpoint of thousands of arrays takes less; what would take longer is there to keep us busy. */
const MOST_STEPS = 1_000_000

interface Machine {
  readonly read: PickleCursor
  readonly hooks: PickleHooks
  readonly stack: unknown[]
  readonly marks: number[]
  readonly memo: Map<number, unknown>
  /** Work done so far, in opcodes; calls count their arguments as well. */
  steps: number
}

type Step = (m: Machine) => void

function spend(m: Machine, steps: number): void {
  m.steps += steps
  if (m.steps > MOST_STEPS)
    throw new InputError(`the pickle takes more than ${MOST_STEPS} steps; that is no checkpoint`)
}

function pop({ stack, marks }: Machine): unknown {
  if (stack.length <= (marks.at(-1) ?? 0)) throw new InputError('the pickle is damaged: it takes from an empty stack')
  return stack.pop()
}

function top(m: Machine): unknown {
  const value = pop(m)
  m.stack.push(value)
  return value
}

/** Everything above the last mark, which is taken away as well. */
function popMark({ stack, marks }: Machine): unknown[] {
  const mark = marks.pop()
  if (mark === undefined) throw new InputError('the pickle is damaged: a mark is missing')
  return stack.splice(mark)
}

const push =
  (value: (m: Machine) => unknown): Step =>
  (m) =>
    void m.stack.push(value(m))

function tuple(count: number): Step {
  return push((m) => Array.from({ length: count }, () => pop(m)).reverse())
}

function importName({ hooks }: Machine, module: unknown, name: unknown): unknown {
  const full = `${module}.${name}`
  const found = hooks.global(full)
  if (found === undefined) throw refusal(`import ${full}`)
  return found
}

function refusal(what: string): InputError {
  const short = what.length > 120 ? `${what.slice(0, 117)}...` : what
  return new InputError(
    `its pickle wants to ${short}, which is refused: only arrays and containers are read, and nothing is run; save the state_dict alone`,
  )
}

function append(m: Machine, items: readonly unknown[]): void {
  const list = top(m)
  if (!Array.isArray(list)) throw refusal('extend what is no list')
  for (const item of items) list.push(item)
}

function setItems(m: Machine, items: readonly unknown[]): void {
  const target = top(m)
  if (!(target instanceof Map)) throw refusal('fill what is no dictionary')
  if (items.length % 2) throw new InputError('the pickle is damaged: a key has no value')
  for (let k = 0; k < items.length; k += 2) target.set(items[k], items[k + 1])
}

function asMap(items: readonly unknown[]): Map<unknown, unknown> {
  if (items.length % 2) throw new InputError('the pickle is damaged: a key has no value')
  return new Map(Array.from({ length: items.length / 2 }, (_, k) => [items[2 * k], items[2 * k + 1]]))
}

function recall({ memo }: Machine, key: number): unknown {
  if (!memo.has(key)) throw new InputError(`the pickle is damaged: it recalls ${key}, which it has not stored`)
  return memo.get(key)
}

const remember =
  (key: (m: Machine) => number): Step =>
  (m) =>
    void m.memo.set(key(m), top(m))

const reduce: Step = (m) => {
  const args = pop(m)
  const callable = pop(m)
  if (typeof callable !== 'function' || !Array.isArray(args)) throw refusal('call what is no function')
  // A long list may be stored once and handed over many times.
  for (const arg of args) if (Array.isArray(arg)) spend(m, arg.length)
  m.stack.push((callable as PickleFunction)(args))
}

/** The state of a dictionary (PyTorch's `_metadata`) says nothing about its items; other objects have none. */
const build: Step = (m) => {
  pop(m)
  if (!(top(m) instanceof Map)) throw refusal('set the state of an object')
}

const refuse =
  (what: string): Step =>
  () => {
    throw refusal(what)
  }

const code = (letter: string): number => letter.charCodeAt(0)

/** By opcode; the letters are those of the specification. */
const STEPS: ReadonlyMap<number, Step> = new Map<number, Step>([
  [0x80, ({ read }) => read.protocol()],
  [0x95, ({ read }) => read.frame()],
  [code('('), ({ stack, marks }) => void marks.push(stack.length)],
  [code('0'), ({ stack, marks }) => void (stack.length > (marks.at(-1) ?? 0) ? stack.pop() : marks.pop())],
  [code('1'), (m) => void popMark(m)],
  [code('2'), push(top)],
  [code('N'), push(() => null)],
  [0x88, push(() => true)],
  [0x89, push(() => false)],
  [code('I'), push(({ read }) => read.integerLine())],
  [code('L'), push(({ read }) => read.integerLine())],
  [code('J'), push(({ read }) => read.int32())],
  [code('K'), push(({ read }) => read.uint(1))],
  [code('M'), push(({ read }) => read.uint(2))],
  [0x8a, push(({ read }) => read.long(read.uint(1)))],
  [0x8b, push(({ read }) => read.long(read.uint(4)))],
  [code('F'), push(({ read }) => read.floatLine())],
  [code('G'), push(({ read }) => read.float64())],
  [code('S'), push(({ read }) => read.quotedLine())],
  [code('V'), push(({ read }) => read.line())],
  [code('T'), push(({ read }) => read.latin(read.uint(4)))],
  [code('U'), push(({ read }) => read.latin(read.uint(1)))],
  [code('X'), push(({ read }) => read.utf8(read.uint(4)))],
  [0x8c, push(({ read }) => read.utf8(read.uint(1)))],
  [0x8d, push(({ read }) => read.utf8(read.uint(8)))],
  [code('C'), push(({ read }) => read.bytes(read.uint(1)))],
  [code('B'), push(({ read }) => read.bytes(read.uint(4)))],
  [0x8e, push(({ read }) => read.bytes(read.uint(8)))],
  [0x96, push(({ read }) => read.bytes(read.uint(8)))],
  [code(']'), push(() => [])],
  [code(')'), push(() => [])],
  [0x8f, push(() => [])],
  [code('l'), push(popMark)],
  [code('t'), push(popMark)],
  [0x91, push(popMark)],
  [0x85, tuple(1)],
  [0x86, tuple(2)],
  [0x87, tuple(3)],
  [
    code('a'),
    (m) => {
      const item = pop(m)
      append(m, [item])
    },
  ],
  [
    code('e'),
    (m) => {
      const items = popMark(m)
      append(m, items)
    },
  ],
  [
    0x90,
    (m) => {
      const items = popMark(m)
      append(m, items)
    },
  ],
  [code('}'), push(() => new Map())],
  [code('d'), push((m) => asMap(popMark(m)))],
  [
    code('s'),
    (m) => {
      const value = pop(m)
      const key = pop(m)
      setItems(m, [key, value])
    },
  ],
  [
    code('u'),
    (m) => {
      const items = popMark(m)
      setItems(m, items)
    },
  ],
  [code('p'), remember(({ read }) => Number(read.integerLine()))],
  [code('q'), remember(({ read }) => read.uint(1))],
  [code('r'), remember(({ read }) => read.uint(4))],
  [0x94, remember(({ memo }) => memo.size)],
  [code('g'), push((m) => recall(m, Number(m.read.integerLine())))],
  [code('h'), push((m) => recall(m, m.read.uint(1)))],
  [code('j'), push((m) => recall(m, m.read.uint(4)))],
  [
    code('c'),
    push((m) => {
      const module = m.read.line()
      return importName(m, module, m.read.line())
    }),
  ],
  [
    0x93,
    push((m) => {
      const name = pop(m)
      return importName(m, pop(m), name)
    }),
  ],
  [code('Q'), push((m) => m.hooks.persistent(pop(m)))],
  [code('R'), reduce],
  [code('b'), build],
  [code('P'), refuse('load an object by a text id')],
  [
    code('i'),
    (m) => {
      throw refusal(`make a ${m.read.line()}.${m.read.line()}`)
    },
  ],
  [code('o'), refuse('make an object')],
  [0x81, refuse('make an object')],
  [0x92, refuse('make an object')],
  [0x82, refuse('load an extension')],
  [0x83, refuse('load an extension')],
  [0x84, refuse('load an extension')],
  [0x97, refuse('load a buffer from elsewhere')],
  [0x98, refuse('load a buffer from elsewhere')],
])

const STOP = code('.')

/**
 * Reads one pickle.
 * Dictionaries become Maps; lists, tuples and sets become arrays; integers that a number cannot hold become bigints.
 * Containers may be shared, or hold themselves: whoever walks them has to count.
 * @param start where in the bytes it begins
 * @returns the value, and where in the bytes the pickle ends
 * @throws InputError when it is damaged, or wants something imported or made that is not on the caller's list
 */
export function readPickle(bytes: Uint8Array, hooks: PickleHooks, start = 0): { value: unknown; end: number } {
  const read = makeCursor(bytes, start)
  const machine: Machine = { read, hooks, stack: [], marks: [], memo: new Map(), steps: 0 }
  for (;;) {
    spend(machine, 1)
    const opcode = read.uint(1)
    if (opcode === STOP) return { value: pop(machine), end: read.position() }
    const step = STEPS.get(opcode)
    if (!step) throw new InputError(`the pickle is damaged: byte ${read.position() - 1} is no opcode (${opcode})`)
    step(machine)
  }
}
