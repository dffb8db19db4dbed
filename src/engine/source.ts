/**
 * From a `.wgsl` file to the text that is compiled. A kernel file is a complete shader; what may vary is named in it:
 *
 *   const NAME: TYPE = default;        a constant, given by name
 *   //@include folder/file             shared functions, appended
 *   //@paste folder/file               lines that several kernels share, in place of this one
 *   //@slot epilogue ... //@end        a function with a default body, replaced by a chain of pieces
 *   //@unroll I 0..TILE ... //@end I   lines repeated for I = 0, 1, ...; $(2 * I) is computed in them; TILE is a constant
 *
 * Bindings are numbered here in order of appearance, and an operand too large for one binding is bound in segments.
 */
import { GpuError } from './errors.ts'
import { evaluateInteger } from './integer.ts'
import { shaders } from './shaders.gen.ts'
import type { Constants, Piece } from './tensor.ts'

export interface KernelText {
  readonly code: string
  /** Piece operands by the variable name they received in the code. */
  readonly pieceOperands: ReadonlyMap<string, { piece: number; name: string }>
}

function file(name: string): string {
  const text = shaders[name]
  if (text === undefined) throw new GpuError('internal', `no shader named ${name}`)
  return text
}

/** True when the kernel has an `epilogue` slot, so that elementwise pieces can ride on its output. */
export function hasEpilogue(kernel: string): boolean {
  return /^\/\/@slot epilogue$/m.test(file(kernel))
}

/** Assembles a kernel with its constants and epilogue pieces. */
export function assemble(kernel: string, constants: Constants = {}, epilogue: readonly Piece[] = []): KernelText {
  let code = includeFiles(file(kernel), new Set())
  code = setConstants(code, constants, kernel)
  const pieceOperands = new Map<string, { piece: number; name: string }>()
  const parts = epilogue.map((piece, k) => renamedPiece(piece, k, pieceOperands))
  for (const name of new Set(epilogue.map(slotOf))) {
    const slot = new RegExp(`^//@slot ${name}$[\\s\\S]*?^//@end$`, 'm')
    if (!slot.test(code)) throw new GpuError('internal', `${kernel} has no ${name} slot`)
    const fills = [...epilogue.keys()].filter((k) => slotOf(epilogue[k]!) === name)
    const calls = fills.reduce((inner, k) => `apply_${k}(${inner}, i)`, 'v')
    const functions = fills.map((k) => parts[k]).join('\n')
    // A replacer function, so that `$` in the code is not taken for a pattern.
    code = code.replace(slot, () => `${functions}\nfn ${name}(v: f32, i: u32) -> f32 { return ${calls}; }`)
  }
  return { code: numberBindings(unroll(code)), pieceOperands }
}

const slotOf = (piece: Piece): string => piece.slot ?? 'epilogue'

function includeFiles(text: string, seen: Set<string>): string {
  const tail: string[] = []
  const body = paste(text).replace(/^\/\/@include (\S+)$/gm, (_, name: string) => {
    if (!seen.has(name)) {
      seen.add(name)
      tail.push(includeFiles(file(name), seen))
    }
    return ''
  })
  return [body, ...tail].join('\n')
}

function paste(text: string): string {
  return text.replace(/^[ ]*\/\/@paste (\S+)$/gm, (_, name: string) => paste(file(name)).trimEnd())
}

function setConstants(text: string, constants: Constants, where: string): string {
  let code = text
  for (const [name, value] of Object.entries(constants)) {
    const declaration = new RegExp(`^const ${name}: (\\w+) = [^;]*;`, 'm')
    const type = declaration.exec(code)?.[1]
    if (type === undefined) throw new GpuError('internal', `${where} has no constant ${name}`)
    code = code.replace(declaration, () => `const ${name}: ${type} = ${literal(type, value)};`)
  }
  return code
}

function literal(type: string, value: number | readonly number[]): string {
  if (typeof value !== 'number') {
    const element = type.endsWith('u') ? 'u32' : type.endsWith('f') ? 'f32' : 'i32'
    return `${type}(${value.map((v) => literal(element, v)).join(', ')})`
  }
  if (type === 'bool') return value ? 'true' : 'false'
  if (type === 'u32') return `${value}u`
  if (type === 'i32') return `${value}i`
  return floatLiteral(value)
}

function floatLiteral(value: number): string {
  const rounded = Math.fround(value)
  if (Number.isFinite(rounded)) return `${rounded}f`
  throw new GpuError('internal', `a shader constant must be finite in float32, got ${value}`)
}

/** A piece with every module-scope name suffixed by its place in the chain, so that pieces never collide. */
function renamedPiece(piece: Piece, k: number, operands: Map<string, { piece: number; name: string }>): string {
  const text = setConstants(file(piece.source), piece.constants ?? {}, piece.source)
  const names = [...text.matchAll(/^(?:const|fn|struct) (\w+)|^@group.*var<[^>]*> (\w+)/gm)].map((m) => m[1] ?? m[2]!)
  for (const name of Object.keys(piece.bind ?? {})) operands.set(`${name}_${k}`, { piece: k, name })
  return text.replace(new RegExp(`(?<!\\.)\\b(${names.join('|')})\\b`, 'g'), `$1_${k}`)
}

/** `$(...)` with integer arithmetic inside, parentheses nested once. */
const SUM = /\$\(([^()]*(?:\([^()]*\)[^()]*)*)\)/g

/** Copies the lines of each unroll block for every value of its index; bounds and `$(...)` are integer arithmetic. */
function unroll(text: string): string {
  const known = integerConstants(text)
  return expand(text, known).replace(SUM, (_, sum: string) => String(evaluateInteger(sum, known)))
}

function expand(text: string, known: ReadonlyMap<string, number>): string {
  const block = /^[ ]*\/\/@unroll (\w+) ([^\n.]+)\.\.([^\n]+)\n([\s\S]*?)^[ ]*\/\/@end \1\n/gm
  return text.replace(block, (_, name: string, first: string, last: string, body: string) => {
    const copies: string[] = []
    const end = evaluateInteger(last, known)
    for (let k = evaluateInteger(first, known); k < end; k++) copies.push(expand(atIndex(body, name, k), known))
    return copies.join('')
  })
}

/** The body of an unroll block for one value of its index: I inside `$(...)` and in the bounds of inner blocks. */
function atIndex(body: string, name: string, k: number): string {
  const word = new RegExp(`\\b${name}\\b`, 'g')
  return body
    .replace(SUM, (sum) => sum.replace(word, String(k)))
    .replace(/\/\/@unroll \w+ .*/g, (line) => line.replace(word, String(k)))
}

/** Integer constants of a shader, vector components as NAME.x, NAME.y, NAME.z. */
function integerConstants(text: string): Map<string, number> {
  const known = new Map<string, number>()
  for (const [, name, value] of text.matchAll(/^const (\w+): [ui]32 = (-?\d+)[ui]?;/gm)) known.set(name!, Number(value))
  for (const [, name, list] of text.matchAll(/^const (\w+): vec3[ui] = vec3[ui]\(([^)]*)\);/gm)) {
    const parts = list!.split(',').map((v) => Number.parseInt(v, 10))
    for (const [k, axis] of ['x', 'y', 'z'].entries()) known.set(`${name}.${axis}`, parts[k] ?? parts[0]!)
  }
  return known
}

function numberBindings(text: string): string {
  let n = 0
  return text.replace(/@group\(0\) @binding\(\d+\)/g, () => `@group(0) @binding(${n++})`)
}

/**
 * Binds the storage array `name` as `count` segments of `segment` elements: every `name[index]` becomes a call
 * that picks the segment. Needed where a tensor is larger than the adapter's maxStorageBufferBindingSize.
 */
export function splitOperand(code: string, name: string, count: number, segment: number): string {
  const declaration = new RegExp(
    `^@group\\(0\\) @binding\\(\\d+\\) var<storage, (read|read_write)> ${name}: array<([\\w<>]+)>;$`,
    'm',
  )
  const match = declaration.exec(code)
  if (!match) throw new GpuError('internal', `no storage array ${name} to split`)
  const [line, access, element] = match as unknown as [string, string, string]
  const ids = Array.from({ length: count }, (_, k) => k)
  const variables = ids.map((k) => `@group(0) @binding(0) var<storage, ${access}> ${name}_seg${k}: array<${element}>;`)
  const at = (k: number) => `${name}_seg${k}[i - ${k * segment}u]`
  const upTo = (k: number) => `if (i < ${(k + 1) * segment}u)`
  const loads = ids.map((k) => (k === count - 1 ? `return ${at(k)};` : `${upTo(k)} { return ${at(k)}; }`))
  const stores = ids.map((k) => (k === count - 1 ? `${at(k)} = v;` : `${upTo(k)} { ${at(k)} = v; return; }`))
  const functions = [`fn ${name}_load(i: u32) -> ${element} { ${loads.join(' ')} }`]
  if (access === 'read_write') functions.push(`fn ${name}_store(i: u32, v: ${element}) { ${stores.join(' ')} }`)
  const body = rewriteAccesses(code, name, {
    load: (index) => `${name}_load(${index})`,
    store: (index, value) => `${name}_store(${index}, ${value});`,
  })
  return numberBindings(body.replace(line, () => [...variables, ...functions].join('\n')))
}

/** What becomes of the accesses to a storage array, given the text of the index and of the value assigned. */
export interface Accesses {
  load(index: string): string
  store(index: string, value: string): string
}

/** Rewrites every `name[index]` and `name[index] = value;` of a kernel, and drops its comments. */
export function rewriteAccesses(code: string, name: string, to: Accesses): string {
  // Comments speak of name[index] too, and not as statements.
  return rewriteBare(code.replace(/\/\/.*$/gm, ''), name, to)
}

function rewriteBare(code: string, name: string, to: Accesses): string {
  const use = new RegExp(`(?<![\\w.])${name}\\[`, 'g')
  let out = ''
  let from = 0
  for (let m = use.exec(code); m; m = use.exec(code)) {
    let depth = 1
    let end = m.index + m[0].length
    for (; depth > 0 && end < code.length; end++) depth += code[end] === '[' ? 1 : code[end] === ']' ? -1 : 0
    const index = rewriteBare(code.slice(m.index + m[0].length, end - 1), name, to)
    const store = /^\s*=(?!=)\s*([^;]*);/.exec(code.slice(end))
    out += code.slice(from, m.index)
    if (store) {
      out += to.store(index, rewriteBare(store[1]!, name, to))
      from = end + store[0].length
    } else {
      out += to.load(index)
      from = end
    }
    use.lastIndex = from
  }
  return out + code.slice(from)
}
