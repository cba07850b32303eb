import { createReadStream, createWriteStream } from 'node:fs'
import { pipeline as pipe } from 'node:stream/promises'
import {
  Agent,
  connect,
  type Dispatcher,
  getGlobalDispatcher,
  pipeline,
  request,
  setGlobalDispatcher,
  stream,
  upgrade,
} from 'undici'

setGlobalDispatcher(new Agent({ keepAliveTimeout: 10 }))
const before: Dispatcher = getGlobalDispatcher()
setGlobalDispatcher(before)

export async function download(url: string | URL, file: string, signal?: AbortSignal): Promise<number> {
  const { statusCode, headers, body } = await request(url, { signal: signal ?? null, headers: { accept: '*/*' } })
  await pipe(body, createWriteStream(file))
  return statusCode + Number(headers['content-length'])
}

export async function upload(url: URL, file: string): Promise<unknown> {
  const { body } = await request(url, { method: 'PUT', body: createReadStream(file), query: { a: 1, b: ['x', 'y'] } })
  return body.json()
}

export async function others(): Promise<void> {
  await request({ protocol: 'http:', hostname: 'localhost', port: '80', pathname: '/' }, { dispatcher: before })
  await stream('http://localhost', { method: 'GET', opaque: 1 }, ({ opaque }) => createWriteStream(String(opaque)))
  await pipe(
    createReadStream('a'),
    pipeline('http://localhost', { method: 'POST' }, ({ body }) => body),
    createWriteStream('b'),
  )
  const { socket } = await connect('http://localhost', { headers: { host: 'a.example' } })
  socket.destroy()
  const upgraded = await upgrade('http://localhost/chat', { protocol: 'websocket' })
  upgraded.socket.end()
}

/** Options taken apart and handed on. */
type Options = NonNullable<Parameters<typeof request>[1]>
export function get(url: string, options: Options = {}): ReturnType<typeof request> {
  return request(url, { ...options, method: 'GET', maxRedirections: undefined } as Options)
}

// @ts-expect-error: a body is no number
request('http://localhost', { method: 'POST', body: 42 })
// @ts-expect-error: a signal is aborted by its controller, and is not it
request('http://localhost', { signal: new AbortController() })
