/** A progress bar with the time left, for a terminal. */

export interface Progress {
  /** Shows how much is done; `detail` follows the time left. */
  update(done: number, total: number, detail?: string): void
  /** Takes the bar away, so that another line can be written. */
  clear(): void
}

const CELLS = 24
const CLEAR = '\r\x1b[2K'
/** Redrawn at most this often, in milliseconds. */
const PAUSE = 100

/** A bar on `write`, a terminal of `columns` characters. The time left is judged from the pace since it was made. */
export function makeProgress(
  write: (text: string) => void,
  label: string,
  columns: number,
  now: () => number = () => performance.now(),
): Progress {
  const start = now()
  let drawn = Number.NEGATIVE_INFINITY
  return {
    update(done, total, detail = '') {
      const time = now()
      if (time - drawn < PAUSE && done < total) return
      drawn = time
      const share = Math.min(1, done / total)
      const full = Math.round(share * CELLS)
      const left = share > 0 ? duration(((time - start) / 1000) * (1 / share - 1)) : '-:--'
      const bar = `${'='.repeat(full)}${' '.repeat(CELLS - full)}`
      const rest = `[${bar}] ${String(Math.floor(100 * share)).padStart(3)}% ${left} left ${detail}`
      // File names are long: the bar is worth more than their ends.
      const room = Math.max(12, columns - 2 - rest.length)
      const name = label.length > room ? `${label.slice(0, room - 3)}...` : label
      write(CLEAR + `${name} ${rest}`.slice(0, Math.max(20, columns - 1)))
    },
    clear() {
      if (drawn !== Number.NEGATIVE_INFINITY) write(CLEAR)
      drawn = Number.NEGATIVE_INFINITY
    },
  }
}

/** Seconds as 0:07, 12:30 or 1:02:03. */
export function duration(seconds: number): string {
  const whole = Math.round(seconds)
  const two = (n: number) => String(n).padStart(2, '0')
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60]
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`
}
