import { once } from 'node:events'
import t from 'tap'
import { Agent, Client, Pool } from '../../lib/index.js'

const get = { path: '/', method: 'GET', origin: 'http://localhost:9' }
const give = ({ body }: { body: unknown }) => body

const refused: Record<string, [unknown, unknown]> = {
  'no options': [null, give],
  'options that are no object': ['/', give],
  'no handler': [get, null],
  'a handler that is no function': [get, {}],
  'a signal that is none': [{ ...get, signal: {} }, give],
  'the method CONNECT': [{ ...get, method: 'CONNECT' }, give],
  'a method that is no token': [{ ...get, method: 'A B' }, give],
  'onInfo that is no function': [{ ...get, onInfo: 'x' }, give],
  throwOnError: [{ ...get, throwOnError: true }, give],
  'a header name that is no token': [{ ...get, headers: { 'a b': '' } }, give],
  'a path without a slash': [{ ...get, path: 'x' }, give],
  'a highWaterMark below 0': [{ ...get, highWaterMark: -1 }, give],
}

for (const [what, [options, handler]] of Object.entries(refused)) {
  t.test(`pipeline() reports ${what} by an error event`, async (t) => {
    for (const dispatcher of [new Client(get.origin), new Pool(get.origin), new Agent()]) {
      const [error] = await once(dispatcher.pipeline(options as never, handler as never), 'error')
      t.match(error, { code: 'UND_ERR_INVALID_ARG' }, dispatcher.constructor.name)
      await dispatcher.close()
    }
  })
}
