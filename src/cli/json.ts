/** JSON as people like to read it: indented, lists of numbers on one line. */
export function formatJson(value: unknown): string {
  const indented = JSON.stringify(value, null, 2)
  // Inside a string there is no line break, so only lists can match.
  return `${indented.replace(/\[\n[^[\]{}"]*\n\s*\]/g, (list) => list.replace(/\n\s*/g, ' '))}\n`
}
