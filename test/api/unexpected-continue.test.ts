import { Writable } from 'node:stream'
import t, { type Test } from 'tap'
import { Client, type Dispatcher } from '../../lib/index.js'
import { onRequests, rawOrigin, response } from '../servers/origin.js'
import { Recorder } from '../servers/recorder.js'

const CONTINUE = 'HTTP/1.1 100 Continue\r\n\r\n'
const HINTS = 'HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n'

/** What a server sends before its final response. */
const scripts: Record<string, string> = {
  'a 100': CONTINUE,
  'three of them': CONTINUE.repeat(3),
  'a 100 with header fields': 'HTTP/1.1 100 Continue\r\nx-a: 1\r\nconnection: keep-alive\r\n\r\n',
  'a 100 before and behind a 103': `${CONTINUE}${HINTS}${CONTINUE}`,
}

interface Ask {
  client: Client
  options: Dispatcher.DispatchOptions
  onInfo(info: { statusCode: number }): void
}

/** Sends a request and resolves with its body, by each method that reads one. */
const methods: Record<string, (ask: Ask) => Promise<string>> = {
  request: async ({ client, options, onInfo }) => (await client.request({ ...options, onInfo })).body.text(),
  stream: async ({ client, options, onInfo }) => {
    let text = ''
    const target = new Writable({
      write(chunk, _encoding, callback) {
        text += chunk
        callback()
      },
    })
    await client.stream({ ...options, onInfo }, () => target)
    return text
  },
  pipeline: async ({ client, options, onInfo }) => {
    const { body = '', ...rest } = options
    const duplex = client.pipeline({ ...rest, onInfo }, ({ body }) => body)
    duplex.end(body)
    let text = ''
    for await (const chunk of duplex) text += chunk
    return text
  },
  dispatch: async ({ client, options, onInfo }) => {
    const recorder = new Recorder()
    client.dispatch(options, recorder)
    const { body, calls, error } = await recorder.ended
    if (error !== null) throw error
    for (const call of calls) if (/^head 1/.test(call)) onInfo({ statusCode: Number(call.slice(5)) })
    return body
  },
}

const requests: Record<string, Dispatcher.DispatchOptions> = {
  // A GET of pipeline() has a body, and closes its connection otherwise.
  'a GET': { path: '/', method: 'GET', reset: false },
  'a POST with a body': { path: '/', method: 'POST', body: 'abc' },
  'a POST with expectContinue': { path: '/', method: 'POST', body: 'abc', expectContinue: true },
}

for (const [method, send] of Object.entries(methods)) {
  for (const [request, options] of Object.entries(requests)) {
    for (const [script, sent] of Object.entries(scripts)) {
      t.test(`${method}: ${request} succeeds after ${script}, and the connection stays`, async (t: Test) => {
        const origin = await rawOrigin((socket) => {
          let text = ''
          socket.on('data', (chunk) => {
            text += chunk
            if (/^expect:/im.test(text) && text.indexOf('\r\n\r\n') === text.length - 4) socket.write(CONTINUE)
            const chunked = /^transfer-encoding:/im.test(text)
            const end = chunked ? '\r\n0\r\n\r\n' : options.body === undefined ? '\r\n\r\n' : 'abc'
            if (!text.endsWith(end)) return
            text = ''
            socket.write(sent + response('answer'))
          })
        })
        const client = new Client(origin.url)
        const statuses = [options.expectContinue ? CONTINUE : '', sent].join('').match(/(?<=HTTP\/1.1 )\d+/g)
        for (const round of ['first', 'on the same connection']) {
          const reported: number[] = []
          const text = await send({ client, options, onInfo: ({ statusCode }) => void reported.push(statusCode) })
          t.equal(text, 'answer', round)
          t.strictSame(reported, statuses?.map(Number), 'reports each informational response')
        }
        t.equal(origin.connections, 1)
        await client.close()
        await origin.close()
      })
    }
  }
}

t.test('a 100 before each pipelined response is ignored', async (t) => {
  const origin = await rawOrigin((socket) => {
    onRequests(socket, (_head, index) => void socket.write(CONTINUE.repeat(2) + response(String(index))))
  })
  const client = new Client(origin.url, { pipelining: 3 })
  const responses = Array.from({ length: 6 }, () => client.request({ path: '/', method: 'GET' }))
  const texts = await Promise.all(responses.map(async (one) => (await one).body.text()))
  t.strictSame(texts, ['0', '1', '2', '3', '4', '5'])
  t.equal(origin.connections, 1)
  await client.close()
  await origin.close()
})

t.test('upgrade and connect succeed after a 100', async (t) => {
  const origin = await rawOrigin((socket) => {
    onRequests(socket, (head) => {
      const answer = head.startsWith('CONNECT')
        ? 'HTTP/1.1 200 OK\r\n\r\n'
        : 'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n'
      socket.write(CONTINUE.repeat(2) + answer)
    })
  })
  const client = new Client(origin.url)
  const { headers, socket } = await client.upgrade({ path: '/', protocol: 'x' })
  t.equal(headers.upgrade, 'x')
  socket.destroy()
  const tunnel = await client.connect({ path: 'a:80' })
  t.equal(tunnel.statusCode, 200)
  tunnel.socket.destroy()
  await client.destroy()
  await origin.close()
})

t.test('a 100 after the final response closes the connection', async (t) => {
  const origin = await rawOrigin((socket, index) => {
    onRequests(socket, () => void socket.write(response(String(index)) + CONTINUE))
  })
  const client = new Client(origin.url)
  for (const number of ['0', '1']) {
    const { body } = await client.request({ path: '/', method: 'GET' })
    t.equal(await body.text(), number)
  }
  await client.close()
  await origin.close()
})

t.test('headersTimeout fails a request that receives only a 100', async (t) => {
  const origin = await rawOrigin((socket) => onRequests(socket, () => void socket.write(CONTINUE)))
  const client = new Client(origin.url, { headersTimeout: 30 })
  await t.rejects(client.request({ path: '/', method: 'GET' }), { code: 'UND_ERR_HEADERS_TIMEOUT' })
  await client.destroy()
  await origin.close()
})
