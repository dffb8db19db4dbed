/** Being asked to stop, by a scheduler (SIGTERM) or a person (SIGINT): finish what is nearly done, or leave no trace of it. */

/** Schedulers kill outright some time after they asked; the work is given up before that, in ms. */
const PATIENCE = 4000

const CODES = { SIGTERM: 143, SIGINT: 130 } as const
type Signal = keyof typeof CODES

export interface Stop {
  /** The signal that came. */
  readonly signal: () => Signal | undefined
  /** What a shell has as exit code of a process that this signal ended. */
  readonly code: () => number
  close(): void
}

/**
 * Watches for signals. After one, `signal` says so, and whoever works is to begin nothing more; when the work has not ended
 * within 4 s, `giveUp` is run and the process ends by the signal's default, which a shell sees as exit code 143 (or 130).
 */
export function watchStop(giveUp: () => void, tell: (text: string) => void): Stop {
  let came: Signal | undefined
  let timer: NodeJS.Timeout | undefined
  const end = (signal: Signal) => {
    giveUp()
    process.removeAllListeners(signal)
    // Not process.exit: tearing a busy GPU down can take long.
    process.kill(process.pid, signal)
  }
  const listeners = (Object.keys(CODES) as Signal[]).map((signal) => {
    const listener = () => {
      // Asked twice: at once.
      if (came !== undefined) return end(signal)
      came = signal
      tell(`${signal}: ending; scans that are not finished within ${PATIENCE / 1000} s are left for the next run`)
      timer = setTimeout(() => end(signal), PATIENCE)
    }
    process.on(signal, listener)
    return () => void process.off(signal, listener)
  })
  return {
    signal: () => came,
    code: () => (came === undefined ? 0 : CODES[came]),
    close() {
      clearTimeout(timer)
      for (const off of listeners) off()
    },
  }
}
