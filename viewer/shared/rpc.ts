/** Calls from the page to a worker: a promise each, with progress, and a signal that reaches the worker. */

/** An error on its way between threads. */
export interface Failure {
  /** `InputError`, `GpuError`, ...: what kind of words it needs. */
  readonly name: string
  /** Of a GpuError. */
  readonly kind?: string
  readonly message: string
}

interface Request {
  readonly id: number
  readonly call?: string
  readonly input?: unknown
  readonly abort?: true
}

interface Reply {
  readonly id: number
  readonly output?: unknown
  readonly failure?: Failure
  readonly progress?: unknown
  /** Nobody asked: news from the worker. */
  readonly news?: unknown
}

/** What a call may use besides its input. */
export interface CallContext {
  readonly signal: AbortSignal
  /** Sends something to whoever waits; arrays of numbers are copied. */
  progress(value: unknown): void
}

/** A worker's calls by name. */
export type Calls = Readonly<Record<string, (input: never, context: CallContext) => unknown>>

type InputOf<C extends Calls, K extends keyof C> = Parameters<C[K]>[0]
type OutputOf<C extends Calls, K extends keyof C> = Awaited<ReturnType<C[K]>>

export interface CallOptions {
  readonly signal?: AbortSignal
  readonly onProgress?: (value: never) => void
}

export interface Remote<C extends Calls> {
  call<K extends keyof C & string>(name: K, input: InputOf<C, K>, options?: CallOptions): Promise<OutputOf<C, K>>
}

/** An error of a worker's call, on the page. */
export class RemoteError extends Error {
  constructor(readonly failure: Failure) {
    super(failure.message)
    this.name = failure.name
  }
}

/** Typed arrays that a result brings along are handed over rather than copied. */
function buffersOf(value: unknown, found = new Set<ArrayBuffer>(), depth = 0): ArrayBuffer[] {
  if (ArrayBuffer.isView(value)) {
    if (value.buffer instanceof ArrayBuffer) found.add(value.buffer)
  } else if (value && typeof value === 'object' && depth < 3) {
    for (const item of Object.values(value)) buffersOf(item, found, depth + 1)
  }
  return [...found]
}

/** Calls of a worker, from the page. @param onNews what the worker says unasked */
export function connect<C extends Calls>(worker: Worker, onNews: (news: never) => void = () => {}): Remote<C> {
  const waiting = new Map<number, { settle: (reply: Reply) => void; onProgress?: (value: never) => void }>()
  let last = 0
  worker.addEventListener('message', ({ data }: MessageEvent<Reply>) => {
    if ('news' in data) return onNews(data.news as never)
    const entry = waiting.get(data.id)
    if (!entry) return
    if ('progress' in data) return entry.onProgress?.(data.progress as never)
    waiting.delete(data.id)
    entry.settle(data)
  })
  worker.addEventListener('error', (event) => {
    const failure = { name: 'WorkerError', message: event.message || 'a worker of this page could not be started' }
    for (const [id, { settle }] of waiting) settle({ id, failure })
    waiting.clear()
  })
  return {
    call(name, input, { signal, onProgress } = {}) {
      const id = ++last
      return new Promise((resolve, reject) => {
        const abort = () => worker.postMessage({ id, abort: true } satisfies Request)
        const settle = ({ output, failure }: Reply) => {
          signal?.removeEventListener('abort', abort)
          if (!failure) resolve(output as never)
          else reject(signal?.aborted ? signal.reason : new RemoteError(failure))
        }
        waiting.set(id, { settle, onProgress })
        signal?.addEventListener('abort', abort)
        worker.postMessage({ id, call: name, input } satisfies Request)
      })
    },
  }
}

/** What a worker's own global object offers; the types of pages lack it. */
interface WorkerScope {
  addEventListener(type: 'message', listener: (event: MessageEvent<Request>) => void): void
  postMessage(message: Reply, transfer?: Transferable[]): void
}

/** Answers calls, in a worker. @returns tells the page something unasked */
export function serve(calls: Calls): (news: unknown) => void {
  const scope = globalThis as unknown as WorkerScope
  const running = new Map<number, AbortController>()
  scope.addEventListener('message', async ({ data }: MessageEvent<Request>) => {
    const { id, call, input, abort } = data
    if (abort) return running.get(id)?.abort(new DOMException('cancelled', 'AbortError'))
    const controller = new AbortController()
    running.set(id, controller)
    try {
      const progress = (value: unknown) => scope.postMessage({ id, progress: value } satisfies Reply)
      const output = await calls[call!]!(input as never, { signal: controller.signal, progress })
      scope.postMessage({ id, output } satisfies Reply, buffersOf(output))
    } catch (error) {
      scope.postMessage({ id, failure: failureOf(error) } satisfies Reply)
    } finally {
      running.delete(id)
    }
  })
  return (news) => scope.postMessage({ id: 0, news } satisfies Reply)
}

export function failureOf(error: unknown): Failure {
  if (!(error instanceof Error)) return { name: 'Error', message: String(error) }
  const { kind } = error as { kind?: unknown }
  return { name: error.name, message: error.message, ...(typeof kind === 'string' && { kind }) }
}
