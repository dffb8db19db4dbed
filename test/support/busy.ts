/**
 * Milliseconds of work so far: CPU time in Node, so that a busy machine fails no test of what must not take long; in a
 * browser, which does not tell, the clock.
 */
export function busy(): number {
  if (typeof process === 'undefined' || typeof process.cpuUsage !== 'function') return performance.now()
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}
