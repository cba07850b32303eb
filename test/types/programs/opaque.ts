import { type Duplex, PassThrough, type Readable, type Writable } from 'node:stream'
import { Agent, Client, type Dispatcher, Pool, stream } from 'undici'

interface Job {
  id: number
  out: Writable
}

const client = new Client('http://localhost')
const pool = new Pool('http://localhost')

export async function jobs(): Promise<number[]> {
  const job: Job = { id: 1, out: new PassThrough() }
  const { opaque } = await client.request({ path: '/', method: 'GET', opaque: job })
  const streamed = await client.stream({ path: '/', method: 'GET', opaque: job }, ({ opaque, statusCode, headers }) => {
    opaque.out.write(`${statusCode} ${headers['content-length'] ?? ''}`)
    return opaque.out
  })
  const explicit = await pool.request<Job>({ path: '/', method: 'GET', opaque: job })
  const tunnel = await client.connect({ path: 'a.example:1', opaque: 7 })
  const none: null = (await client.request({ path: '/', method: 'GET' })).opaque
  return [opaque.id, streamed.opaque.id, explicit.opaque.id, tunnel.opaque, none === null ? 0 : 1]
}

/** Defined apart from the call. */
const factory: Dispatcher.StreamFactory<Job> = ({ opaque }) => opaque.out
const handler: Dispatcher.PipelineHandler<{ seen: number[] }> = ({ statusCode, opaque, body }): Readable => {
  opaque.seen.push(statusCode)
  return body
}

export const written: Promise<Dispatcher.StreamData<Job>> = stream(
  'http://localhost',
  { method: 'GET', opaque: { id: 2, out: new PassThrough() }, dispatcher: new Agent() },
  factory,
)
export const duplex: Duplex = client.pipeline({ path: '/', method: 'POST', opaque: { seen: [] } }, handler)

export function identify<T>(
  dispatcher: Dispatcher,
  options: Dispatcher.RequestOptions<T>,
): Promise<Dispatcher.ResponseData<T>> {
  return dispatcher.request(options)
}

export const text: Promise<string> = identify(client, { path: '/', method: 'GET', opaque: 'x' }).then(
  (data) => data.opaque,
)
// @ts-expect-error: what comes back is what went in
export const number: Promise<number> = identify(client, { path: '/', method: 'GET', opaque: 'x' }).then(
  (data) => data.opaque,
)
// @ts-expect-error: a factory returns where to write
client.stream({ path: '/', method: 'GET' }, () => null)
