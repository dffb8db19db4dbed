/** The list of all explanation methods. */
import { CommanderError } from 'commander'
import type { Setting } from '../explain/method.ts'
import { methods, otherWords } from '../explain/methods.ts'
import { formatTable, type Terminal } from './terminal.ts'

/** Words, titles, settings with defaults, sources. */
export function listMethods(): string[] {
  return methods.flatMap((method) => {
    const { name, title, source, signed, main } = method
    const others = otherWords(method)
    const settings = Object.entries(method.settings as Record<string, Setting<unknown>>)
    const rows = settings.map(([key, setting]) => {
      const value = `${key === main ? `${key} (or the value alone)` : key}`
      return [
        '   ',
        value,
        setting.default === undefined ? '' : `default ${describeValue(setting.default)}`,
        setting.text,
      ]
    })
    return [
      `${name}${others.length > 0 ? ` (also ${others.join(', ')})` : ''}: ${title}${signed ? ', signed' : ''}. ${source}`,
      ...(rows.length > 0 ? formatTable(rows) : []),
    ]
  })
}

/** A setting's value in a few characters. */
export function describeValue(value: unknown): string {
  if (ArrayBuffer.isView(value)) return `${(value as Float32Array).length} values`
  if (Array.isArray(value) && value.every((v) => typeof v === 'number')) return value.join('x')
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? 'none')
}

/** Prints the list and ends the command as --help does, whatever else was or was not given. */
export function printMethods(terminal: Terminal): never {
  terminal.out(`${listMethods().join('\n')}\n`)
  throw new CommanderError(0, 'voxplain.listMethods', 'methods listed')
}
