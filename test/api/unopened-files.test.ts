import { createReadStream, type ReadStream } from 'node:fs'
import { setImmediate as turn } from 'node:timers/promises'
import t from 'tap'
import { Agent, type Dispatcher, Pool } from '../../lib/index.js'

// The error of a file that can not be opened is emitted after the stream was destroyed; an uncaught one fails the test.
const missingFile = () => createReadStream(new URL('no-such-file', import.meta.url))

const ORIGIN = 'http://127.0.0.1:1'
const aborted = AbortSignal.abort()

const calls: Record<string, (dispatcher: Dispatcher, options: object) => Promise<unknown>> = {
  request: (dispatcher, options) => dispatcher.request({ origin: ORIGIN, path: '/', method: 'POST', ...options }),
  stream: (dispatcher, options) =>
    dispatcher.stream({ origin: ORIGIN, path: '/', method: 'POST', ...options }, () => {
      throw new Error('no response is expected')
    }),
  upgrade: (dispatcher, options) => dispatcher.upgrade({ origin: ORIGIN, path: '/', ...options }),
  connect: (dispatcher, options) =>
    dispatcher.connect({ origin: ORIGIN, path: 'example.com:443', ...options } as Dispatcher.ConnectOptions),
}

const endings: Record<string, { options?: object; before?: (body: ReadStream) => void }> = {
  'a signal that is aborted': { options: { signal: aborted } },
  'a stream that was destroyed before': { before: (body) => void body.destroy() },
  'an invalid header': { options: { headers: { 'not a token': '1' } } },
}

for (const [name, call] of Object.entries(calls)) {
  for (const [ending, { options, before }] of Object.entries(endings)) {
    t.test(`${name} with ${ending} closes a file that can not be opened, without an uncaught exception`, async (t) => {
      for (const dispatcher of [new Pool(ORIGIN), new Agent()]) {
        const body = missingFile()
        before?.(body)
        const closed = new Promise<void>((resolve) => body.once('close', () => resolve()))
        await t.rejects(call(dispatcher, { ...options, body }))
        await closed
        await turn()
        t.ok(body.destroyed)
        await dispatcher.destroy()
      }
    })
  }
}
