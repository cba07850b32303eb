import t from 'tap'
import { Client, errors, interceptors } from '../../lib/index.js'
import { onRequests, rawOrigin } from '../servers/origin.js'
import { get } from '../servers/retrying.js'

/** Server with an endless body, one byte at a time. */
function tricklingOrigin(head: string) {
  return rawOrigin((socket) =>
    onRequests(socket, () => {
      socket.write(`HTTP/1.1 ${head}\r\ntransfer-encoding: chunked\r\n\r\n`)
      const timer = setInterval(() => socket.write('1\r\na\r\n'), 5)
      socket.on('close', () => clearInterval(timer))
    }),
  )
}

const kinds = {
  'the body of an error': ['500 X\r\ncontent-type: text/plain', interceptors.responseError()],
  'a body that is thrown away': ['200 OK', interceptors.dump()],
} as const

for (const [kind, [head, interceptor]] of Object.entries(kinds)) {
  t.test(`timeouts.total, a signal and destroy() end ${kind} although bytes keep arriving`, async (t) => {
    const origin = await tricklingOrigin(head)
    const client = new Client(origin.url)
    const composed = client.compose(interceptor)
    const read = async (options: object) => (await composed.request({ ...get, ...options })).body.text()
    const total = { code: 'SLUICE_ERR_TOTAL_TIMEOUT', message: 'Request not completed within 200 ms (timeouts.total)' }
    await t.rejects(read({ timeouts: { total: 200 } }), total)
    const abort = new AbortController()
    const aborted = read({ signal: abort.signal })
    setTimeout(() => abort.abort(new Error('no patience')), 60)
    await t.rejects(aborted, { message: 'no patience' })
    const destroyed = read({})
    setTimeout(() => client.destroy(), 60)
    await t.rejects(destroyed, { code: 'UND_ERR_DESTROYED' })
    await origin.close()
  })
}

t.test('reads the rest of an error body for one second at most', async (t) => {
  const bodies = [
    ['404 X', 1_048_576],
    ['404 X\r\ncontent-type: text/html', 1_048_576],
    ['404 X\r\ncontent-type: text/plain', 2],
  ] as const
  const readOne = async ([head, maxSize]: (typeof bodies)[number]) => {
    const origin = await tricklingOrigin(head)
    const client = new Client(origin.url).compose(interceptors.responseError({ maxSize }))
    const error = await client.request(get).catch((error) => error)
    t.ok(error instanceof errors.ResponseError, head)
    t.match(error, { statusCode: 404, body: maxSize === 2 ? 'aa' : '', bodyTruncated: maxSize === 2 })
    await client.close()
    await origin.close()
  }
  await Promise.all(bodies.map(readOne))
})

t.test('keeps the connection of a short error body', async (t) => {
  const origin = await rawOrigin((socket) =>
    onRequests(socket, () => socket.write(`HTTP/1.1 500 X\r\ncontent-length: 60000\r\n\r\n${'x'.repeat(60000)}`)),
  )
  const client = new Client(origin.url).compose(interceptors.responseError())
  for (let i = 0; i < 3; i++) await t.rejects(client.request(get), { code: 'UND_ERR_RESPONSE' })
  t.equal(origin.connections, 1)
  await client.close()
  await origin.close()
})
