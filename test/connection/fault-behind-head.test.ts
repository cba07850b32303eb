import t from 'tap'
import { Agent, Client, type Dispatcher, Pool } from '../../lib/index.js'
import { onRequests, rawOrigin } from '../servers/origin.js'
import { Recorder } from '../servers/recorder.js'

const faulty: Record<string, string> = {
  'a bad chunk size': 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nZZ\r\n',
  'garbage behind a chunk': 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabcXX\r\n',
  'a body above maxResponseSize': `HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\n${'x'.repeat(5000)}`,
}

const dispatchers: Record<string, (url: string) => Dispatcher> = {
  Client: (url) => new Client(url, { maxResponseSize: 1000 }),
  Pool: (url) => new Pool(url, { maxResponseSize: 1000 }),
  Agent: () => new Agent({ maxResponseSize: 1000 }),
  'composed Client': (url) =>
    new Client(url, { maxResponseSize: 1000 }).compose((dispatch) => (options, handler) => dispatch(options, handler)),
}

for (const [fault, answer] of Object.entries(faulty)) {
  t.test(
    `${fault} in the same read as the headers fails the request one event-loop turn after the headers`,
    async (t) => {
      const origin = await rawOrigin((socket) => onRequests(socket, () => socket.write(answer)))
      for (const [name, make] of Object.entries(dispatchers)) {
        const dispatcher = make(origin.url)
        const turns: string[] = []
        const recorder = new Recorder((call) => {
          if (call.startsWith('head')) setImmediate(() => turns.push('a turn'))
          if (call.startsWith('error')) turns.push('error')
        })
        dispatcher.dispatch({ origin: origin.url, path: '/', method: 'GET' } as never, recorder)
        await recorder.ended
        t.equal(recorder.statusCode, 200)
        t.match(recorder.error, { phase: 'body', path: '/' }, name)
        t.strictSame(turns, ['a turn', 'error'], name)
        // The runtime's `fetch`, which has read nothing of the body when the error occurs.
        const response = await fetch(`${origin.url}/`, { dispatcher } as never)
        t.equal(response.status, 200)
        await t.rejects(response.text(), { name: 'TypeError', cause: { phase: 'body' } }, name)
        await dispatcher.close()
      }
      await origin.close()
    },
  )
}

t.test('a request aborted between its headers and the error gets one last callback', async (t) => {
  for (const answer of Object.values(faulty)) {
    const origin = await rawOrigin((socket) => onRequests(socket, () => socket.write(answer)))
    for (const [name, make] of Object.entries(dispatchers)) {
      for (const later of [(abort: () => void) => abort(), process.nextTick]) {
        const dispatcher = make(origin.url)
        const recorder = new Recorder((call, controller) => {
          if (call.startsWith('head')) later(() => controller.abort(new Error('enough')))
        })
        dispatcher.dispatch({ origin: origin.url, path: '/', method: 'GET' } as never, recorder)
        await recorder.ended
        for (let turn = 0; turn < 3; turn++) await new Promise(setImmediate)
        t.equal(recorder.error?.message, 'enough', name)
        t.equal(recorder.calls.filter((call) => call === 'error').length, 1, name)
        await dispatcher.close()
      }
    }
    await origin.close()
  }
})
