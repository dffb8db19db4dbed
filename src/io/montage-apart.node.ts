/** Montages as PNG files, drawn and compressed on a thread of their own, so that the caller's can keep the GPU busy (Node only). */
import { Worker } from 'node:worker_threads'
import { InputError } from './errors.ts'
import { type MontageOptions, montage } from './montage.ts'
import type { MontageAnswer, MontageOrder } from './montage-thread.node.ts'
import { encodePngApart } from './png.node.ts'
import type { Volume } from './volume.ts'

/** Pictures that are drawn at once: a thread takes about as long to start. */
const AT_ONCE = 2

let drawn = 0
let thread: DrawingThread | undefined

/**
 * A montage (see montage) as the bytes of a PNG file. From the third of a process on another thread draws; it does not keep the
 * process alive. The pictures are the same.
 *
 * @throws InputError as montage does; Error where the thread broke down: the next picture starts another
 */
export async function montagePng(background: Volume, overlay: Volume, options: MontageOptions): Promise<Uint8Array> {
  if (drawn++ < AT_ONCE) return encodePngApart(montage(background, overlay, options))
  thread ??= startThread()
  return thread({ background: bare(background), overlay: bare(overlay), options })
}

/** What is drawn of a volume: a copy goes to the thread, and a file's header and extensions need not. */
const bare = ({ shape, data, affine }: Volume): Volume => ({ shape, data, affine })

type DrawingThread = (order: Omit<MontageOrder, 'id'>) => Promise<Uint8Array>

function startThread(): DrawingThread {
  const worker = import.meta.url.endsWith('.ts') ? threadOfSources() : new Worker(place('montage-thread.node.js'))
  const waiting = new Map<number, { resolve(png: Uint8Array): void; reject(error: Error): void }>()
  let nextId = 0
  const draw: DrawingThread = (order) =>
    new Promise((resolve, reject) => {
      const id = nextId++
      waiting.set(id, { resolve, reject })
      worker.ref()
      worker.postMessage({ id, ...order } satisfies MontageOrder)
    })
  worker.on('message', (answer: MontageAnswer) => {
    const { resolve, reject } = waiting.get(answer.id)!
    waiting.delete(answer.id)
    if (waiting.size === 0) worker.unref()
    if ('png' in answer) resolve(answer.png)
    else reject(answer.input ? new InputError(answer.error) : new Error(answer.error))
  })
  // After an error comes the exit, when another thread may have taken over already.
  const broken = (error: Error) => {
    if (thread === draw) thread = undefined
    for (const { reject } of waiting.values()) reject(error)
    waiting.clear()
  }
  worker.on('error', (error) => broken(new Error(`the thread that draws pictures broke down: ${error.message}`)))
  worker.on('exit', (code) => broken(new Error(`the thread that draws pictures ended with code ${code}`)))
  return draw
}

const place = (file: string) => new URL(file, import.meta.url)

/** In a checkout the thread's file is TypeScript, which a thread has to learn to read by itself. */
function threadOfSources(): Worker {
  const [api, file] = [import.meta.resolve('tsx/esm/api'), place('montage-thread.node.ts').href]
  const program = `import('${api}').then(({ register }) => (register(), import('${file}')))`
  return new Worker(program, { eval: true, execArgv: [] })
}
