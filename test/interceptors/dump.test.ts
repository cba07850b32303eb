import t from 'tap'
import { Agent, Client, type DispatchOptions, interceptors, Pool } from '../../lib/index.js'
import { httpOrigin, onRequests, rawOrigin, response } from '../servers/origin.js'
import { Recorder } from '../servers/recorder.js'

/** Responds with the number of bytes in the path, with or without content-length. */
const bytes = () =>
  httpOrigin((request, reply) => {
    const [, how, size] = (request.url as string).split('/')
    if (how === 'announced') reply.setHeader('content-length', Number(size))
    else reply.flushHeaders()
    reply.end(request.method === 'HEAD' ? undefined : 'x'.repeat(Number(size)))
  })

t.test('discards bodies over each dispatcher', async (t) => {
  const origin = await bytes()
  for (const dispatcher of [new Client(origin.url), new Pool(origin.url, { connections: 1 }), new Agent()]) {
    const before = origin.connections
    const dumping = dispatcher.compose(interceptors.dump({ maxSize: 10 }))
    for (const path of ['/announced/10', '/unannounced/10', '/announced/0', '/unannounced/3']) {
      const recorder = new Recorder()
      dumping.dispatch({ origin: origin.url, path, method: 'GET' }, recorder)
      await recorder.ended
      t.strictSame(recorder.calls, ['start', 'head 200', 'end'], path)
      const { statusCode, body } = await dumping.request({ origin: origin.url, path, method: 'GET' })
      t.equal(statusCode, 200)
      t.equal(await body.text(), '')
    }
    t.equal(origin.connections - before, 1, 'the connection is kept')
    await dispatcher.close()
  }
  await origin.close()
})

t.test('fails bodies larger than maxSize or dumpMaxSize', async (t) => {
  const origin = await bytes()
  const client = new Client(origin.url).compose(interceptors.dump({ maxSize: 10 }))
  const recorder = new Recorder()
  client.dispatch({ path: '/announced/11', method: 'GET' }, recorder)
  await recorder.ended
  t.strictSame(recorder.calls, ['start', 'error'])
  t.match(recorder.error, { name: 'AbortError', code: 'UND_ERR_ABORTED', message: /11 .*10/ })
  const unannounced = new Recorder()
  client.dispatch({ path: '/unannounced/11', method: 'GET' }, unannounced)
  await unannounced.ended
  t.strictSame(unannounced.calls, ['start', 'head 200', 'error'])
  t.equal(unannounced.error?.code, 'UND_ERR_ABORTED')

  const own = (dumpMaxSize: unknown) => ({ path: '/announced/11', method: 'GET', dumpMaxSize }) as DispatchOptions
  t.equal(await (await client.request(own(11))).body.text(), '', 'the limit of the request takes precedence')
  await t.rejects(client.request({ ...own(4), path: '/announced/5' }), { code: 'UND_ERR_ABORTED' })
  t.equal(
    (await client.request({ path: '/announced/1000', method: 'HEAD' })).statusCode,
    200,
    'content-length of a HEAD response is ignored',
  )
  for (const bad of [0, -1, Number.NaN, Number.POSITIVE_INFINITY, '1']) {
    t.throws(() => interceptors.dump({ maxSize: bad as number }), { code: 'UND_ERR_INVALID_ARG', message: /maxSize/ })
    await t.rejects(client.request(own(bad)), { code: 'UND_ERR_INVALID_ARG', message: /dumpMaxSize/ })
  }
  await client.close()
  await origin.close()
})

t.test('maxSize is 1 MiB by default', async (t) => {
  const origin = await bytes()
  const client = new Client(origin.url).compose(interceptors.dump())
  t.equal((await client.request({ path: '/announced/1048576', method: 'GET' })).statusCode, 200)
  await t.rejects(client.request({ path: '/announced/1048577', method: 'GET' }), { code: 'UND_ERR_ABORTED' })
  await client.destroy()
  await origin.close()
})

t.test('fails truncated bodies and aborted requests', async (t) => {
  const origin = await rawOrigin((socket) => {
    socket.once('data', (head) => {
      socket.write('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc')
      if (String(head).startsWith('GET /cut')) socket.end()
    })
  })
  const client = new Client(origin.url).compose(interceptors.dump())
  const cut = new Recorder()
  client.dispatch({ path: '/cut', method: 'GET' }, cut)
  await cut.ended
  t.strictSame(cut.calls, ['start', 'head 200', 'error'])
  t.equal(cut.error?.code, 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH')
  const aborted = new Recorder((name, controller) => {
    if (name === 'head 200') controller.abort(new Error('mine'))
  })
  client.dispatch({ path: '/', method: 'GET' }, aborted)
  await aborted.ended
  t.strictSame(aborted.calls, ['start', 'head 200', 'error'])
  t.equal(aborted.error?.message, 'mine')
  await client.close()
  await origin.close()
})

t.test('ignores content-length of 1xx responses', async (t) => {
  const origin = await rawOrigin((socket) => {
    onRequests(socket, () => socket.write(`HTTP/1.1 103 Early Hints\r\ncontent-length: 99\r\n\r\n${response('short')}`))
  })
  const client = new Client(origin.url)
  const recorder = new Recorder()
  client.compose(interceptors.dump({ maxSize: 10 })).dispatch({ path: '/', method: 'GET' }, recorder)
  await recorder.ended
  t.strictSame(recorder.calls, ['start', 'head 103', 'head 200', 'end'])
  await client.close()
  await origin.close()
})
