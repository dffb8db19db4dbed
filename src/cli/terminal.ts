/** Where a command's words go: results to stdout, everything about the work to stderr. */
import { formatJson } from './json.ts'
import { makeProgress, type Progress } from './progress.ts'

export interface Terminal {
  out(text: string): void
  err(text: string): void
  /** stderr is a terminal that a person looks at. */
  readonly interactive: boolean
  readonly columns: number
}

export const processTerminal: Terminal = {
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
  get interactive() {
    return process.stderr.isTTY === true
  },
  get columns() {
    // A terminal of unknown width says 0.
    return process.stderr.columns || 80
  },
}

export interface Reporter {
  readonly json: boolean
  /** A line of the result for people; nothing with --json. */
  print(line: string): void
  /** The result for machines; nothing without --json. */
  document(value: unknown): void
  /** One line about the work on stderr; nothing with --json. */
  note(text: string): void
  /** One line that the user must see, on stderr. */
  warn(text: string): void
  /** With --json, a line of JSON on stderr for whoever watches the work; nothing without. */
  event(name: string, about: Readonly<Record<string, unknown>>): void
  /** A progress bar on a terminal; silent elsewhere and with --json. */
  progress(label: string): Progress
}

const SILENT: Progress = { update() {}, clear() {} }

/** The words of one run of a command. */
export function makeReporter(terminal: Terminal, json: boolean): Reporter {
  let bar = SILENT
  const line = (text: string) => {
    bar.clear()
    terminal.err(`voxplain: ${oneLine(text)}\n`)
  }
  return {
    json,
    print(text) {
      bar.clear()
      if (!json) terminal.out(`${text}\n`)
    },
    document(value) {
      if (json) terminal.out(formatJson(value))
    },
    note(text) {
      if (!json) line(text)
    },
    warn: line,
    event(name, about) {
      if (json) terminal.err(`${JSON.stringify({ event: name, ...about })}\n`)
    },
    progress(label) {
      if (json || !terminal.interactive) return SILENT
      bar = makeProgress(terminal.err, label, terminal.columns)
      return bar
    },
  }
}

/** A message without line breaks. */
export function oneLine(text: string): string {
  return text.trim().replace(/\s*[\r\n]+\s*/g, ' ')
}

/** Rows as aligned columns; those named in `right` (by index) are flushed right. */
export function formatTable(rows: readonly (readonly string[])[], right: readonly number[] = []): string[] {
  const widths = rows[0]!.map((_, c) => Math.max(...rows.map((row) => row[c]!.length)))
  return rows.map((row) =>
    row
      .map((cell, c) => (right.includes(c) ? cell.padStart(widths[c]!) : cell.padEnd(widths[c]!)))
      .join('  ')
      .trimEnd(),
  )
}

/** Three significant digits, or `-` for what is not known. */
export function digits(value: number | undefined): string {
  if (value === undefined || !Number.isFinite(value)) return '-'
  if (value >= 99.95) return value.toFixed(0)
  return value >= 9.995 ? value.toFixed(1) : value >= 0.9995 ? value.toFixed(2) : value.toFixed(3)
}
