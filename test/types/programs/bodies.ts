import { createWriteStream } from 'node:fs'
import { type Readable, Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import type { Client, Dispatcher } from 'undici'

type Body = Dispatcher.ResponseData['body']

export async function read(body: Body, how: string): Promise<string | number> {
  if (body.bodyUsed) return 0
  switch (how) {
    case 'text':
      return body.text()
    case 'json': {
      const value: unknown = await body.json()
      return typeof value === 'string' ? value : 0
    }
    case 'bytes':
      return (await body.bytes()).length
    case 'buffer':
      return Buffer.from(await body.arrayBuffer()).byteLength
    case 'blob':
      return (await body.blob()).size
    default:
      await body.dump({ limit: 1024, signal: AbortSignal.timeout(10) })
      return 0
  }
}

export async function chunks(stream: Readable): Promise<Buffer> {
  const all: Buffer[] = []
  for await (const chunk of stream) all.push(chunk as Buffer)
  return Buffer.concat(all)
}

export async function save(client: Client, path: string): Promise<void> {
  const { body, headers } = await client.request({ path, method: 'GET', highWaterMark: 1024 })
  body.setEncoding('utf8').once('error', (error) => error.message)
  if (headers['content-encoding'] === 'gzip') await pipeline(body, createGunzip(), createWriteStream('a'))
  else await pipeline(body, new Transform(), createWriteStream('a'))
  await chunks(body)
}

/** Sent. */
export async function send(client: Client): Promise<void> {
  const common = { path: '/', method: 'POST' } as const
  for (const body of ['text', Buffer.from('bytes'), new Uint8Array(1), null]) await client.request({ ...common, body })
  await client.request({
    ...common,
    headers: ['a', '1', 'b', '2'],
    responseHeaders: 'raw',
    onInfo: ({ headers }) => headers.link,
  })
  await client.request({ ...common, headers: new Map([['a', '1']]), reset: true, blocking: false, idempotent: true })
  await client.request({
    ...common,
    headers: Object.entries({ a: '1' }),
    expectContinue: true,
    typeOfService: 8,
    upgrade: null,
  })
}

export async function values(body: Body): Promise<void> {
  // @ts-expect-error: what is parsed is unknown
  const value: { a: number } = await body.json()
  console.log(value)
  // @ts-expect-error: a text is no number
  const text: number = await body.text()
  console.log(text)
}
