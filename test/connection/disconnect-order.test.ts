import t from 'tap'
import { Client } from '../../lib/index.js'
import { event, onRequests, rawOrigin } from '../servers/origin.js'

/** Reasons to close a connection after a response: response headers, and options of the client. */
const reasons: Record<string, [string, object]> = {
  'a keep-alive hint that is too short': ['Keep-Alive: timeout=1\r\n', {}],
  'connection: close': ['Connection: close\r\n', {}],
  'pipelining: 0': ['', { pipelining: 0 }],
  'maxRequestsPerClient: 1': ['', { maxRequestsPerClient: 1 }],
}

for (const [reason, [headers, options]] of Object.entries(reasons)) {
  for (const size of [0, 5, 400_000]) {
    t.test(`emits disconnect after the end of a body of ${size} bytes: ${reason}`, async (t) => {
      const text = `HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n${headers}\r\n${'x'.repeat(size)}`
      const origin = await rawOrigin((socket) => onRequests(socket, () => socket.write(text)))
      const client = new Client(origin.url, options)
      const order: string[] = []
      client.on('disconnect', () => order.push('disconnect'))
      const disconnected = event<[URL, unknown, { code?: string }]>(client, 'disconnect')
      const { body } = await client.request({ path: '/', method: 'GET' })
      body.on('end', () => order.push('end')).resume()
      const [, , error] = await disconnected
      t.strictSame(order, ['end', 'disconnect'])
      t.equal(error.code, 'UND_ERR_INFO')
      await client.close()
      await origin.close()
    })
  }
}
