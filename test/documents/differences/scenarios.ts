/**
 * Scenarios of the differences from undici that the README lists. Each returns its outcome as text. As a program, runs them
 * with the library whose URL is its argument and prints the outcomes.
 */

import type { AddressInfo } from 'node:net'
import { createServer, type Socket } from 'node:net'
import { Readable } from 'node:stream'
import { pathToFileURL } from 'node:url'

// biome-ignore lint/suspicious/noExplicitAny: of two libraries
type Library = any
type Play = (library: Library) => Promise<string>

/** Runs a scenario with a server that calls back with each header section and the body bytes behind it. */
async function against(
  onRequest: (head: string, part: { socket: Socket; connection: number; index: number }) => void,
  play: (url: string, seen: { text: string; sockets: Set<Socket> }) => Promise<string>,
): Promise<string> {
  const seen = { text: '', sockets: new Set<Socket>() }
  let connections = 0
  const server = createServer((socket) => {
    const connection = connections++
    let index = 0
    seen.sockets.add(socket)
    socket.on('error', () => {})
    socket.on('data', (data) => {
      seen.text += data
      for (const head of String(data).match(/^[A-Z]+ \S+ HTTP.*?\r\n\r\n/gms) ?? [])
        onRequest(head, { socket, connection, index: index++ })
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  try {
    return await play(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen)
  } finally {
    server.close()
    for (const socket of seen.sockets) socket.destroy()
  }
}

const get = { path: '/', method: 'GET' }
const ok = (body = 'x', fields = '') => `HTTP/1.1 200 OK\r\n${fields}content-length: ${body.length}\r\n\r\n${body}`

async function answer(dispatcher: Library, options: object = {}): Promise<string> {
  try {
    const { statusCode, body } = await dispatcher.request({ ...get, ...options })
    return `${statusCode} ${await body.text()}`
  } catch (error) {
    return (error as { code?: string }).code ?? String(error)
  }
}

/** Returns target, header and framing of one request, as a server receives it. */
const answerTo = ({ Client }: Library, options: object) =>
  against(
    (head, { socket }) => {
      const seen = /^[A-Z]+ (\S+)|^x-a: .*(?=\r)|^content-length: .*(?=\r)/gm
      socket.write(ok([...head.matchAll(seen)].map(([text, target]) => target ?? text).join(' ')))
    },
    (url) => answer(new Client(url), options),
  )

/** Sends one request with a Client to a server that responds with `reply`. */
const one =
  (reply: string, options: object = {}): Play =>
  ({ Client }) =>
    against(
      (_head, { socket }) => void socket.write(reply),
      (url) => answer(new Client(url), options),
    )

/** Scenarios by the beginning of their entry in the README. */
export const scenarios: Record<string, Play> = {
  'A response body that is shorter than its `content-length`': ({ Client }) =>
    against(
      (_head, { socket }) => void socket.end('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nx'),
      (url) => answer(new Client(url)),
    ),
  'A response body that lasts until its connection closes': ({ Client }) =>
    against(
      (_head, { socket }) => {
        socket.write('HTTP/1.1 200 OK\r\n\r\nx')
        setTimeout(() => socket.resetAndDestroy(), 20)
      },
      (url) => answer(new Client(url)),
    ),
  '`blocking` defaults to `false`': ({ Client }) => {
    let waiting = 0
    let most = 0
    return against(
      (_head, { socket }) => {
        most = Math.max(most, ++waiting)
        setTimeout(() => void (waiting-- && socket.write(ok())), 20)
      },
      async (url) => {
        const client = new Client(url, { pipelining: 2 })
        await answer(client)
        await Promise.all([answer(client), answer(client)])
        return `${most} at once`
      },
    )
  },
  'A GET or HEAD on a reused connection': ({ Client }) =>
    against(
      (_head, { socket, index }) => void (index === 0 ? socket.write(ok()) : socket.destroy()),
      async (url) => {
        const client = new Client(url)
        await answer(client)
        const first = await answer(client)
        return `${first}, then POST: ${await answer(client, { method: 'POST', body: 'a' })}`
      },
    ),
  'An end of the body waits for a handler that paused': ({ Client }) =>
    against(
      (_head, { socket }) => void socket.write(ok()),
      async (url) => {
        const client = new Client(url)
        const seen: string[] = []
        client.dispatch(get, {
          onRequestStart() {},
          onResponseStart() {},
          onResponseData: (controller: { pause(): void }) => controller.pause(),
          onResponseEnd: () => seen.push('end'),
          onResponseError: () => seen.push('error'),
        })
        const second = await Promise.race([
          answer(client),
          new Promise((resolve) => setTimeout(resolve, 1_000, 'nothing')),
        ])
        return `${seen}, then ${second}`
      },
    ),
  'A download is resumed only by a strong etag': ({ Agent, interceptors }) =>
    against(
      (head, { socket }) => {
        if (/^range:/im.test(head)) {
          socket.end('HTTP/1.1 206 Partial\r\ncontent-range: bytes 1-2/3\r\ncontent-length: 2\r\n\r\nbc')
        } else
          socket.write('HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\na', () => setTimeout(() => socket.destroy(), 20))
      },
      (origin) =>
        answer(
          new Agent().compose(
            interceptors.retry({
              minTimeout: 1,
              errorCodes: ['UND_ERR_SOCKET', 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH'],
            }),
          ),
          { origin },
        ),
    ),
  '`getGlobalDispatcher()` is that of this package': async ({ getGlobalDispatcher, Agent }) => {
    const global = globalThis as Record<symbol, unknown>
    const symbols = [1, 2].map((version) => Symbol.for(`undici.globalDispatcher.${version}`))
    const before = symbols.map((symbol) => global[symbol])
    const other = new Agent()
    for (const symbol of symbols) global[symbol] = other
    const taken = getGlobalDispatcher() === other
    symbols.forEach((symbol, i) => {
      global[symbol] = before[i]
    })
    return taken ? 'taken from there' : 'its own'
  },
  '`install()` changes no global class': async (library) => {
    const names = ['fetch', 'Headers', 'Response', 'Request', 'FormData'] as const
    const before = names.map((name) => Object.getOwnPropertyDescriptor(globalThis, name) as PropertyDescriptor)
    const classes = names.slice(1).map((name) => globalThis[name])
    library.install()
    const same = names.slice(1).every((name, i) => globalThis[name] === classes[i])
    library.uninstall?.()
    names.forEach((name, i) => void Object.defineProperty(globalThis, name, before[i] as PropertyDescriptor))
    return same ? 'the same' : 'others'
  },
  'A path with a character beyond ASCII is refused': one(ok(), { path: '/ä' }),
  '`expect: 100-continue` works': ({ Client }) =>
    against(
      (_head, { socket }) => void socket.write(`HTTP/1.1 100 Continue\r\n\r\n${ok()}`),
      (url) => answer(new Client(url), { method: 'POST', body: 'abc', headers: { expect: '100-continue' } }),
    ),
  'A `RoundRobinPool` opens all its `connections`': ({ RoundRobinPool }) => {
    const counts: number[] = []
    return against(
      (_head, { socket, connection }) => {
        counts[connection] = (counts[connection] ?? 0) + 1
        setTimeout(() => socket.write(ok()), connection === 0 ? 5 : 0)
      },
      async (url) => {
        const pool = new RoundRobinPool(url, { connections: 10 })
        for (let i = 0; i < 100; i++) await answer(pool)
        return [...new Set(counts)].join(' ')
      },
    )
  },
  '`clientTtl` is kept by a clock': ({ Pool }) =>
    against(
      (_head, { socket }) => void socket.write(ok()),
      async (url) => {
        const pool = new Pool(url, { clientTtl: 20 })
        const disconnected = new Promise((resolve) => pool.on('disconnect', () => resolve('closed')))
        await answer(pool)
        return String(await Promise.race([disconnected, new Promise((resolve) => setTimeout(resolve, 1_000, 'open'))]))
      },
    ),
  'In `PoolStats`, `queued` are': ({ Pool }) =>
    against(
      () => {},
      async (url) => {
        const pool = new Pool(url, { connections: 1 })
        for (let i = 0; i < 3; i++) void answer(pool)
        const { queued, pending } = pool.stats
        void pool.destroy()
        return `queued ${queued}, pending ${pending}`
      },
    ),
  'A response with `transfer-encoding: chunked` twice': one(
    'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n',
  ),
  'A tab after `content-length`': one('HTTP/1.1 200 OK\r\ncontent-length: 1\t\r\n\r\nx'),
  'A `100 Continue` that no request waits for': one(`HTTP/1.1 100 Continue\r\n\r\n${ok()}`),
  'The last byte that `content-length` announces': ({ Client }) =>
    against(
      () => {},
      async (url, seen) => {
        async function* body() {
          yield 'abc'
          await new Promise((resolve) => setTimeout(resolve, 50))
          throw new Error('source')
        }
        await answer(new Client(url), { method: 'POST', headers: { 'content-length': '3' }, body: body() })
        return `${seen.text.split('\r\n\r\n')[1]?.length} bytes`
      },
    ),
  '`pipeline()` sends its body in chunks': ({ Client }) =>
    against(
      (head, { socket }) => void socket.write(ok(/^(content-length|transfer-encoding)(?=:)/im.exec(head)?.[0])),
      async (url) => {
        const duplex = new Client(url).pipeline({ path: '/', method: 'PUT' }, ({ body }: { body: object }) => body)
        duplex.end('abc')
        let text = ''
        for await (const chunk of duplex) text += chunk
        return text
      },
    ),
  'A GET, HEAD or other request without expected content': ({ Client }) =>
    against(
      (head, { socket }) => void socket.write(ok(/^connection: (.*)\r/im.exec(head)?.[1])),
      (url) => answer(new Client(url), { body: 'abc' }),
    ),
  '`transfer-encoding: chunked` in the headers of a request': ({ Client }) =>
    against(
      (head, { socket }) => void socket.write(ok(/^(content-length|transfer-encoding)(?=:)/im.exec(head)?.[0])),
      (url) => answer(new Client(url), { method: 'POST', body: 'a', headers: { 'transfer-encoding': 'chunked' } }),
    ),
  'A stream that pushes its content only when it is read': (library) => {
    const body = new Readable({
      read() {
        this.push('abc')
        this.push(null)
      },
    })
    return answerTo(library, { method: 'POST', body })
  },
  'A response with more than 2000 headers': one(ok('x', 'a: b\r\n'.repeat(2000))),
  'More forms of arguments are taken': async (library) => {
    const query = await answerTo(library, { query: new URLSearchParams('a=1') })
    const pairs = await answerTo(library, { headers: [['x-a', '1']] })
    const body = await answerTo(library, { method: 'POST', body: new URLSearchParams('a=1') })
    const shared = await answerTo(library, { method: 'POST', body: new SharedArrayBuffer(1) })
    const reply = 'HTTP/1.1 200 OK\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: 3\r\n\r\na=1'
    const form = await against(
      (_head, { socket }) => void socket.write(reply),
      async (url) => {
        const { body } = await new library.Client(url).request(get)
        return body.formData().then(
          (form: FormData) => String(form.get('a')),
          ({ code }: { code: string }) => code,
        )
      },
    )
    const path = await against(
      (head, { socket }) => void socket.write(head.startsWith('GET /b ') ? ok() : 'HTTP/1.1 404 No\r\n\r\n'),
      async (url) => {
        try {
          return String((await library.request(`${url}/a`, { path: '/b' })).statusCode)
        } catch (error) {
          return (error as { code: string }).code
        }
      },
    )
    return [query, pairs, body, shared, form, path].join(', ')
  },
  'Names for one connection in the `connection` header': ({ Client }) =>
    against(
      (head, { socket }) => void socket.write(ok(/^connection: (.*)\r/im.exec(head)?.[1])),
      async (url) => {
        const sent = await answer(new Client(url), { headers: { connection: 'x-a', 'x-a': '1' } })
        return `${sent}, host null: ${await answer(new Client(url), { headers: { host: null } })}`
      },
    ),
  '`typeOfService` of a request holds for that request': async ({ Client }) => {
    const { Socket: Class } = await import('node:net')
    const prototype = Class.prototype as unknown as { setTypeOfService?: unknown; getTypeOfService?: unknown }
    const { setTypeOfService, getTypeOfService } = prototype
    const set: number[] = []
    prototype.setTypeOfService = (value: number) => void set.push(value)
    prototype.getTypeOfService = () => 0
    const seen = await against(
      (_head, { socket }) => void socket.write(ok()),
      async (url) => {
        const client = new Client(url)
        await answer(client, { typeOfService: 32 })
        await answer(client)
        return set.join(' ')
      },
    )
    if (setTypeOfService === undefined) delete prototype.setTypeOfService
    else prototype.setTypeOfService = setTypeOfService
    if (getTypeOfService === undefined) delete prototype.getTypeOfService
    else prototype.getTypeOfService = getTypeOfService
    return seen
  },
  'An unknown name in an object that undici does not have': ({ Client }) =>
    against(
      (_head, { socket }) => void socket.write(ok()),
      (url) => answer(new Client(url), { timeouts: { totl: 100 } }),
    ),
  'HTTP/2 is not spoken': ({ Client }) =>
    against(
      (_head, { socket }) => void socket.write(ok()),
      async (url) => {
        try {
          return await answer(new Client(url, { useH2c: true }))
        } catch (error) {
          return (error as { code: string }).code
        }
      },
    ),
}

/** Runs all scenarios and returns their outcomes. */
export async function outcomes(library: Library): Promise<Record<string, string>> {
  const found: Record<string, string> = {}
  for (const [entry, play] of Object.entries(scenarios)) {
    const limit = new Promise<string>((resolve) => setTimeout(resolve, 20_000, 'nothing').unref())
    found[entry] = await Promise.race([play(library), limit])
  }
  return found
}

if (process.argv[2] !== undefined && import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  console.log(JSON.stringify(await outcomes(await import(process.argv[2]))))
  process.exit()
}
