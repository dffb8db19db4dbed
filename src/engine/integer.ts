/** Integer arithmetic in shader templates: + - * / ( ), numbers and named constants. */
import { GpuError } from './errors.ts'

/** The value of an expression such as `TILE + (KERNEL.z - 1) * 2`. @throws GpuError 'internal' when it is not one. */
export function evaluateInteger(text: string, known: ReadonlyMap<string, number>): number {
  const tokens = text.match(/[\w.]+|[-+*/()]/g) ?? []
  let at = 0
  const fail = (): never => {
    throw new GpuError('internal', `not an integer expression in a shader template: "${text}"`)
  }
  const atom = (): number => {
    const token = tokens[at++]
    if (token === undefined) return fail()
    if (token === '-') return -atom()
    if (token === '(') {
      const value = total()
      return tokens[at++] === ')' ? value : fail()
    }
    const value = /^\d+u?$/.test(token) ? Number.parseInt(token, 10) : known.get(token)
    return value ?? fail()
  }
  const product = (): number => {
    let value = atom()
    while (tokens[at] === '*' || tokens[at] === '/') {
      value = tokens[at++] === '*' ? value * atom() : Math.trunc(value / atom())
    }
    return value
  }
  const total = (): number => {
    let value = product()
    while (tokens[at] === '+' || tokens[at] === '-')
      value = tokens[at++] === '+' ? value + product() : value - product()
    return value
  }
  const value = total()
  return at === tokens.length ? value : fail()
}
