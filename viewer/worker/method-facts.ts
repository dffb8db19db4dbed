/** The explanation methods as forms: what each can be told, of what kind, with which words. */

import type { AnyMethod, Setting } from '../../src/explain/method.ts'
import { methods } from '../../src/explain/methods.ts'

export interface SettingFacts {
  readonly name: string
  readonly text: string
  readonly default: string
  readonly kind: 'number' | 'boolean' | 'text'
  /** Words that it takes, where it takes words. */
  readonly words: readonly string[]
}

export interface MethodFacts {
  readonly name: string
  readonly title: string
  readonly source: string
  readonly signed: boolean
  readonly settings: readonly SettingFacts[]
}

export function methodFacts(): MethodFacts[] {
  return methods.map((method) => ({
    name: method.name,
    title: method.title,
    source: method.source,
    signed: method.signed,
    settings: settingsOf(method),
  }))
}

function settingsOf(method: AnyMethod): SettingFacts[] {
  return Object.entries(method.settings as Record<string, Setting<unknown>>).map(([name, setting]) => {
    const { text } = setting
    const kind = typeof setting.default
    return {
      name,
      text,
      default: shown(setting.default),
      kind: kind === 'number' || kind === 'boolean' ? kind : 'text',
      words: kind === 'string' ? wordsOf(setting) : [],
    }
  })
}

function shown(value: unknown): string {
  if (value === undefined) return ''
  if (Array.isArray(value)) return value.join('x')
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}

/** A setting's text names the words it takes; those that it reads are they. */
function wordsOf(setting: Setting<unknown>): string[] {
  const words = [String(setting.default), ...(setting.text.match(/[A-Za-z][A-Za-z0-9]*/g) ?? [])]
  const taken = words.filter((word) => {
    try {
      setting.read(word, word)
      return true
    } catch {
      return false
    }
  })
  return [...new Set(taken)]
}
