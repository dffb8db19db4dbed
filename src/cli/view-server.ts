/** A server of named files for whoever knows its token, on this computer only. */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { extname } from 'node:path'

export interface ViewServer {
  /** Of the page; holds the token. */
  readonly url: string
  /**
   * Another URL, which leads to the page once. Other users of a computer can read the arguments of a browser that is being
   * started; what they find there is used up by then.
   */
  once(): string
  close(): Promise<void>
}

interface Answer {
  readonly status: number
  readonly body: Uint8Array
  readonly headers: Readonly<Record<string, string>>
}

function refusal(status: number, text: string, more: Readonly<Record<string, string>> = {}): Answer {
  return { status, body: Buffer.from(`${text}\n`), headers: { 'content-type': TYPES['.txt']!, ...more } }
}

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.json': 'application/json; charset=utf-8',
  '.tsv': 'text/tab-separated-values; charset=utf-8',
  '.txt': 'text/plain; charset=utf-8',
}

/**
 * Serves files on 127.0.0.1, at a port that is free and below a path that is a random token. There is no folder behind it:
 * what is not among the files does not exist.
 * @param files by their path below the token; index.html is the page
 * @param policy Content-Security-Policy of every answer
 */
export async function serveFiles(files: ReadonlyMap<string, Uint8Array>, policy: string): Promise<ViewServer> {
  const token = secret()
  const tickets = new Set<string>()
  const common = {
    'content-security-policy': `${policy}; frame-ancestors 'none'`,
    'cross-origin-resource-policy': 'same-origin',
    'cross-origin-opener-policy': 'same-origin',
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff',
    'cache-control': 'no-store',
  }

  function answer({ method, url = '', headers: asked }: IncomingMessage): Answer {
    if (!isThisComputer(asked.host)) return refusal(403, 'this server answers to 127.0.0.1 and localhost alone')
    // The path is taken as it comes: nothing is decoded, and nothing in it leads anywhere but into the list of files.
    const [, key = '', name] = /^\/([^/?]*)(?:\/([^?]*))?(?:\?.*)?$/.exec(url) ?? []
    const ticket = [...tickets].find((one) => same(one, key))
    if (ticket === undefined && !same(key, token)) {
      return refusal(403, 'the token in the URL is missing or wrong: open the whole URL that voxplain view has printed')
    }
    if (method !== 'GET' && method !== 'HEAD') return refusal(405, 'files can only be read', { allow: 'GET, HEAD' })
    if (ticket !== undefined || name === undefined) {
      if (ticket !== undefined) tickets.delete(ticket)
      return refusal(303, 'the page is elsewhere', { location: `/${token}/` })
    }
    const file = name === '' ? 'index.html' : name
    const body = files.get(file)
    if (!body) return refusal(404, 'there is no such file here')
    return { status: 200, body, headers: { 'content-type': TYPES[extname(file)] ?? 'application/octet-stream' } }
  }

  const server = createServer((request, response) => {
    const { status, body, headers } = answer(request)
    response.writeHead(status, { ...common, ...headers, 'content-length': body.length })
    response.end(request.method === 'HEAD' ? undefined : body)
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    url: `${origin}/${token}/`,
    once() {
      const ticket = secret()
      tickets.add(ticket)
      return `${origin}/${ticket}/`
    },
    async close() {
      const closed = new Promise((resolve) => server.close(resolve))
      server.closeAllConnections()
      await closed
    },
  }
}

const secret = () => randomBytes(24).toString('base64url')

/**
 * Whether a request was meant for this computer. A page of another site can make its own name mean 127.0.0.1 (DNS
 * rebinding), but its requests still carry that name. Any port will do: of a tunnel, this end has another.
 */
function isThisComputer(host: string | undefined): boolean {
  return /^(?:127\.0\.0\.1|localhost)(?::\d+)?$/i.test(host ?? '')
}

/** Compares in a time that tells nothing about where two texts differ. */
function same(a: string, b: string): boolean {
  const [x, y] = [a, b].map((text) => createHash('sha256').update(text).digest()) as [Buffer, Buffer]
  return timingSafeEqual(x, y)
}
