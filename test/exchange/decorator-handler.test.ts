import t from 'tap'
import {
  Agent,
  Client,
  DecoratorHandler,
  type DispatchController,
  type DispatchHandler,
  type LegacyDispatchHandler,
  Pool,
} from '../../lib/index.js'
import { httpOrigin, rawOrigin } from '../servers/origin.js'
import { Recorder } from '../servers/recorder.js'

t.test('DecoratorHandler forwards all callbacks, with each dispatcher', async (t) => {
  const origin = await httpOrigin((request, reply) => {
    request.resume().on('end', () => {
      reply.writeEarlyHints({ link: '</a>' })
      reply.writeHead(200, { trailer: 'x-sum' })
      reply.write('whole')
      reply.addTrailers({ 'x-sum': '5' })
      reply.end()
    })
  })
  for (const dispatcher of [new Client(origin.url), new Pool(origin.url), new Agent()]) {
    const recorder = new Recorder()
    const sent: string[] = []
    const handler = Object.assign(recorder, {
      onResponseStarted: () => sent.push('started'),
      onBodySent: (chunk: Buffer) => sent.push(String(chunk)),
      onRequestSent: () => sent.push('sent'),
    })
    const request = { origin: origin.url, path: '/', method: 'POST', body: 'asked' }
    dispatcher.dispatch(request, new DecoratorHandler(handler as unknown as DispatchHandler))
    await recorder.ended
    t.strictSame(recorder.calls, ['start', 'head 103', 'head 200', 'data', 'end'])
    t.equal(recorder.body, 'whole')
    t.strictSame(recorder.trailers, { 'x-sum': '5' })
    t.strictSame(sent, ['asked', 'sent', 'started'])
    await dispatcher.close()
  }
  await origin.close()
})

t.test('a subclass of DecoratorHandler can override callbacks, for current and legacy handlers', async (t) => {
  class Louder extends DecoratorHandler {
    override onResponseData(controller: DispatchController, chunk: Buffer): void {
      super.onResponseData(controller, Buffer.from(chunk.toString().toUpperCase()))
    }
  }
  const origin = await httpOrigin((_request, reply) => reply.end('quiet'))
  const client = new Client(origin.url).compose((dispatch) => (options, handler) => {
    return dispatch(options, new Louder(handler))
  })
  t.equal(await (await client.request({ path: '/', method: 'GET' })).body.text(), 'QUIET')
  const calls: unknown[] = []
  await new Promise<void>((resolve) =>
    client.dispatch({ path: '/', method: 'GET' }, {
      onConnect: () => calls.push('connect'),
      onHeaders: (status) => {
        calls.push(status)
        return true
      },
      onData: (chunk) => {
        calls.push(String(chunk))
        return true
      },
      onComplete: () => resolve(),
      onError: (error) => calls.push(error),
    } as LegacyDispatchHandler as DispatchHandler),
  )
  t.strictSame(calls, ['connect', 200, 'QUIET'])
  await client.close()
  await origin.close()
})

t.test('DecoratorHandler forwards errors and upgrades', async (t) => {
  const origin = await rawOrigin((socket) => {
    socket.once('data', (head) => {
      if (String(head).includes('upgrade')) socket.write('HTTP/1.1 101 X\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n')
      else socket.destroy()
    })
  })
  const client = new Client(origin.url)
  const failed = new Recorder()
  client.dispatch({ path: '/', method: 'POST' }, new DecoratorHandler(failed))
  await failed.ended
  t.strictSame(failed.calls, ['start', 'error'])
  t.equal(failed.error?.code, 'UND_ERR_SOCKET')
  const upgraded = new Recorder()
  client.dispatch({ path: '/', method: 'GET', upgrade: 'x' }, new DecoratorHandler(upgraded))
  await upgraded.ended
  t.equal(upgraded.statusCode, 101)
  upgraded.socket?.destroy()
  await client.close()
  await origin.close()

  for (const bad of [null, undefined, 1, 'x']) {
    t.throws(() => new DecoratorHandler(bad as never), { code: 'UND_ERR_INVALID_ARG' })
  }
  t.doesNotThrow(() => new DecoratorHandler({}).onResponseError(failed.controller as never, new Error('unheard')))
})
