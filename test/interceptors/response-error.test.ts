import t from 'tap'
import { Agent, Client, errors, interceptors, Pool } from '../../lib/index.js'
import { httpOrigin, onRequests, rawOrigin } from '../servers/origin.js'
import { Recorder } from '../servers/recorder.js'

interface Answer {
  status?: number
  type?: string
  body?: string | Buffer
}

/** Responds with the status and body in the path. */
function answering() {
  const answers = new Map<string, Answer>()
  const opened = httpOrigin((request, reply) => {
    const { status = 500, type, body = '' } = answers.get(request.url as string) as Answer
    if (type !== undefined) reply.setHeader('content-type', type)
    reply.writeHead(status, { 'x-own': 'yes' }).end(body)
  })
  return opened.then((origin) => {
    const at = (answer: Answer) => {
      const path = `/${answers.size}`
      answers.set(path, answer)
      return { origin: origin.url, path, method: 'GET' }
    }
    return Object.assign(origin, { at })
  })
}

t.test('fails responses with an error status, over each dispatcher', async (t) => {
  const origin = await answering()
  for (const dispatcher of [new Client(origin.url), new Pool(origin.url), new Agent()]) {
    const client = dispatcher.compose(interceptors.responseError())
    for (const status of [200, 302, 399]) {
      const { statusCode, body } = await client.request(origin.at({ status, body: 'fine' }))
      t.strictSame([statusCode, await body.text()], [status, 'fine'])
    }
    for (const status of [400, 404, 499, 500, 599]) {
      const recorder = new Recorder()
      client.dispatch(origin.at({ status, type: 'text/plain', body: 'gone' }), recorder)
      await recorder.ended
      t.strictSame(recorder.calls, ['start', 'error'], String(status))
      const error = recorder.error as InstanceType<typeof errors.ResponseError>
      t.ok(error instanceof errors.ResponseError)
      t.match(error, { code: 'UND_ERR_RESPONSE', statusCode: status, status, body: 'gone', bodyTruncated: false })
      t.match(error.headers, { 'x-own': 'yes', 'content-type': 'text/plain' })
    }
    await dispatcher.close()
  }
  await origin.close()
})

t.test('parses the body of the error by content-type', async (t) => {
  const origin = await answering()
  const client = new Client(origin.url).compose(interceptors.responseError())
  const cases: [Answer, unknown][] = [
    [{ type: 'application/json', body: '{"a":[1]}' }, { a: [1] }],
    [{ type: 'Application/JSON; charset=utf-8', body: '"é"' }, 'é'],
    [{ type: 'application/json; charset=iso-8859-1', body: '"é"' }, 'é'],
    [{ type: 'application/json', body: '{"a":' }, '{"a":'],
    [{ type: 'application/json', body: '' }, ''],
    [{ type: 'text/plain', body: 'é€' }, 'é€'],
    [{ type: 'TEXT/PLAIN', body: 'loud' }, 'loud'],
    [{ type: 'text/plain; charset="iso-8859-1"', body: Buffer.from('é', 'latin1') }, 'é'],
    [{ type: 'text/plain; charset=nonsense', body: 'é' }, 'é'],
    [{ type: 'text/plain' }, ''],
    [{ type: 'text/html', body: '<p>' }, ''],
    [{ body: 'untyped' }, ''],
  ]
  for (const [answer, body] of cases) {
    const error = await client.request(origin.at(answer)).catch((error) => error)
    t.strictSame(error.body, body, JSON.stringify(answer))
  }
  const head = await client.request({ ...origin.at({ type: 'text/plain' }), method: 'HEAD' }).catch((error) => error)
  t.match(head, { statusCode: 500, body: '' })
  t.equal(origin.connections, 1)
  await client.close()
  await origin.close()
})

t.test('maxSize limits the body of the error', async (t) => {
  const origin = await answering()
  const client = new Client(origin.url)
  const truncated = async (maxSize: number | undefined, type: string, body: string) => {
    const options = maxSize === undefined ? {} : { maxSize }
    const response = client.compose(interceptors.responseError(options)).request(origin.at({ type, body }))
    const error = await response.catch((error) => error)
    return [error.body, error.bodyTruncated]
  }
  t.strictSame(await truncated(3, 'text/plain', 'abcdef'), ['abc', true])
  t.strictSame(await truncated(6, 'text/plain', 'abcdef'), ['abcdef', false])
  t.strictSame(await truncated(4, 'application/json', '[1,2]'), ['[1,2', true], 'truncated JSON is returned as text')
  t.strictSame(await truncated(2, 'text/plain', 'a€'), ['a', true], 'a truncated character is removed')
  const long = 'x'.repeat(1_048_577)
  t.strictSame(await truncated(undefined, 'text/plain', long), [long.slice(1), true])
  t.strictSame(await truncated(0, 'text/plain', long), [long, false])
  t.equal(origin.connections, 1)
  for (const bad of [-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, '1', null]) {
    const make = () => interceptors.responseError({ maxSize: bad as number })
    t.throws(make, { code: 'UND_ERR_INVALID_ARG', message: /maxSize/ })
  }
  await client.close()
  await origin.close()
})

t.test('fails requests with endless and truncated error bodies, and aborted ones', async (t) => {
  const origin = await rawOrigin((socket) =>
    onRequests(socket, (head) => {
      socket.write('HTTP/1.1 500 X\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n')
      if (head.startsWith('GET /cut')) return socket.end()
      if (head.startsWith('GET /wait')) return
      const more = () => {
        while (socket.writable && socket.write(`4000\r\n${'x'.repeat(0x4000)}\r\n`));
      }
      socket.on('drain', more)
      more()
    }),
  )
  const client = new Client(origin.url).compose(interceptors.responseError({ maxSize: 2 }))
  const get = (path: string) => client.request({ path, method: 'GET' })
  t.match(await get('/').catch((error) => error), { statusCode: 500, body: 'ax', bodyTruncated: true })
  t.notOk((await get('/cut').catch((error) => error)) instanceof errors.ResponseError)
  const abort = new AbortController()
  const waiting = client.request({ path: '/wait', method: 'GET', signal: abort.signal })
  while (origin.connections < 3) await new Promise(setImmediate)
  abort.abort(new Error('no patience'))
  await t.rejects(waiting, { message: 'no patience' })
  await client.close()
  await origin.close()
})

t.test('closes the connection instead of reading a long body', async (t) => {
  const origin = await answering()
  for (const type of [undefined, 'text/plain', 'application/json']) {
    const before = origin.connections
    const client = new Client(origin.url).compose(interceptors.responseError({ maxSize: 1000 }))
    for (let i = 1; i <= 2; i++) {
      const answer: Answer = { body: 'x'.repeat(1_048_576), ...(type === undefined ? {} : { type }) }
      const error = await client.request(origin.at(answer)).catch((error) => error)
      t.match(error, { code: 'UND_ERR_RESPONSE', statusCode: 500 })
      t.equal(error.body, type === undefined ? '' : 'x'.repeat(1000))
      t.equal(origin.connections, before + i)
    }
    await client.close()
  }
  await origin.close()
})
