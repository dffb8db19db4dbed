/** A kernel's interface, read from its declarations: the bindings, and where the fields of a uniform struct lie. */
import { GpuError } from './errors.ts'

export interface Field {
  readonly name: string
  readonly type: 'f32' | 'i32' | 'u32'
  /** Components: 1 for a scalar. */
  readonly count: number
  /** In bytes from the start of the struct. */
  readonly offset: number
}

/** A resource variable of a kernel. */
export interface Variable {
  readonly name: string
  readonly kind: 'uniform' | 'storage'
  readonly writes: boolean
  /** Of a uniform struct, in bytes; 0 for storage. */
  readonly size: number
  /** Of a uniform struct; none for storage. */
  readonly fields: readonly Field[]
}

/**
 * The resource variables of a shader in order of appearance, which is that of their binding numbers (see source.ts).
 * @throws GpuError 'internal' for a declaration that kernels here do not use.
 */
export function readInterface(code: string): Variable[] {
  return (code.match(/^@group.*$/gm) ?? []).map((line) => {
    const declaration = /^@group\(0\) @binding\(\d+\) var<(uniform|storage, read|storage, read_write)> (\w+): ([^;]+);$/
    const [, space, name, type] = declaration.exec(line) ?? refuse(`no binding is declared like this: ${line}`)
    if (space !== 'uniform') return { name: name!, kind: 'storage', writes: /write/.test(space!), size: 0, fields: [] }
    const body = new RegExp(`^struct ${type} \\{([^}]*)\\}`, 'm').exec(code)?.[1]
    const { size, fields } = layOut(body ?? refuse(`uniform ${name} must be a struct, but is a ${type}`))
    return { name: name!, kind: 'uniform', writes: false, size, fields }
  })
}

/** Offsets by WGSL's rules ("Memory layout"): a field starts at a multiple of its alignment, three components need that of four. */
function layOut(body: string): { size: number; fields: Field[] } {
  let end = 0
  let strictest = 4
  const members = body
    .replace(/\/\/.*$/gm, '')
    .split(',')
    .filter((member) => member.trim() !== '')
  const fields = members.map((member): Field => {
    const [, name, width, element] = /^\s*(\w+): (?:vec([234])<?)?(f32|i32|u32|[fiu](?!32))>?\s*$/.exec(member) ?? []
    if (!name || !element) return refuse(`a uniform must be a number or a vector of numbers, got "${member.trim()}"`)
    const count = Number(width ?? 1)
    const alignment = 4 * (count === 3 ? 4 : count)
    const offset = Math.ceil(end / alignment) * alignment
    end = offset + 4 * count
    strictest = Math.max(strictest, alignment)
    return { name, type: `${element[0] as 'f' | 'i' | 'u'}32`, count, offset }
  })
  return { size: Math.ceil(end / strictest) * strictest, fields }
}

function refuse(message: string): never {
  throw new GpuError('internal', message)
}
