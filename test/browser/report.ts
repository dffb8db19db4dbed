/** What a suite printed, turned into counts. The same for Node and for the browser. */

export interface Outcome {
  readonly name: string
  readonly side: 'check' | 'node' | 'chromium'
  readonly passed: number
  readonly failed: number
  readonly skipped: number
  /** Why tests were skipped, each reason once. */
  readonly reasons: readonly string[]
  readonly hashes: ReadonlyMap<string, string>
  readonly seconds: number
  /** Everything the suite printed, without colours. */
  readonly output: string
}

/** How a suite came to its end: 'ended', or the sentence to show. */
export type Ending = 'ended' | (string & {})

/**
 * Reads uvu's summary, lines `skipped: reason`, and lines `HASH name hex`.
 * A suite that ended badly, or printed no summary and no reason, counts as failed.
 */
export function readOutcome(
  name: string,
  side: 'node' | 'chromium',
  printed: string,
  ending: Ending,
  seconds: number,
): Outcome {
  const text = printed.replace(new RegExp(`${String.fromCharCode(27)}\\[[0-9;]*m`, 'g'), '')
  const total = sum(text, /^ {2}Total: +(\d+)/gm)
  const uvuPassed = sum(text, /^ {2}Passed: +(\d+)/gm)
  const uvuSkipped = sum(text, /^ {2}Skipped: +(\d+)/gm)
  const reasons = [...text.matchAll(/\bskipped: (.+)$/gm)].map((match) => match[1]!.trim())
  // A test that says why it does not run and returns has passed in uvu's eyes.
  const returned = Math.max(0, reasons.length - uvuSkipped)
  const problems = ending !== 'ended' ? [ending] : total + uvuSkipped + reasons.length === 0 ? ['no tests ran'] : []
  return {
    name,
    side,
    passed: Math.max(0, uvuPassed - returned),
    failed: total - uvuPassed || problems.length,
    skipped: Math.max(uvuSkipped, reasons.length),
    reasons: [...new Set(reasons)],
    hashes: new Map([...text.matchAll(/\bHASH (\S+) ([0-9a-f]+)\b/g)].map((match) => [match[1]!, match[2]!])),
    seconds,
    output: [tidy(text), ...problems].join('\n'),
  }
}

/** In a browser each of uvu's marks is a line of its own, and everywhere it is generous with empty lines. */
function tidy(text: string): string {
  return text
    .trim()
    .replace(/\s*\n(?=[•✘] )/g, ' ')
    .replace(/\n(?:[ \t]*\n){2,}/g, '\n\n')
}

function sum(text: string, pattern: RegExp): number {
  return [...text.matchAll(pattern)].reduce((total, match) => total + Number(match[1]), 0)
}

/** One line a suite: mark, name, time, counts, reasons for skips; the whole output below when it failed. */
export function outcomeLines({ name, passed, failed, skipped, reasons, seconds, output, side }: Outcome): string {
  const mark = failed ? '✗' : passed ? '✓' : '-'
  const counts = [
    side !== 'check' && `${passed} passed`,
    failed && side !== 'check' && `${failed} failed`,
    skipped && `${skipped} skipped${reasons.length ? `: ${reasons.join('; ')}` : ''}`,
  ].filter(Boolean)
  const line = `  ${mark} ${name.padEnd(28)} ${seconds.toFixed(1).padStart(6)} s   ${counts.join(', ')}`.trimEnd()
  return failed ? `${line}\n\n${output.replace(/^(?=.)/gm, '      ')}\n` : line
}

/** Compares the hashes both sides reported; names that only one side has are nobody's fault. */
export function compareHashes(outcomes: readonly Outcome[]): { same: number; different: string[] } {
  const all = (side: string): Map<string, string> =>
    new Map(
      outcomes.filter((o) => o.side === side).flatMap((o) => [...o.hashes].map(([k, v]) => [`${o.name}/${k}`, v])),
    )
  const [node, chromium] = [all('node'), all('chromium')]
  const common = [...node].filter(([name]) => chromium.has(name))
  const different = common
    .filter(([name, hash]) => chromium.get(name) !== hash)
    .map(([name, hash]) => `${name}: ${hash} in Node, ${chromium.get(name)} in Chromium`)
  return { same: common.length - different.length, different }
}
