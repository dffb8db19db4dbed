export { digits } from '../src/cli/terminal.ts'

/** A table for people: as wide as its longest cell, numbers to the right; valid Markdown. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [header, ...rows]
  const width = header.map((_, k) => Math.max(3, ...all.map((row) => row[k]!.length)))
  const right = header.map((_, k) => rows.every((row) => /^[-+\d.]/.test(row[k]!) && !row[k]!.includes('>')))
  const line = (row: readonly string[]) =>
    `| ${row.map((cell, k) => (right[k] ? cell.padStart(width[k]!) : cell.padEnd(width[k]!))).join(' | ')} |`
  const rule = `| ${width.map((w, k) => (right[k] ? `${'-'.repeat(w - 1)}:` : '-'.repeat(w))).join(' | ')} |`
  return [line(header), rule, ...rows.map(line)].join('\n')
}
