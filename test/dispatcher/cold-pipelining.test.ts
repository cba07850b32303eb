import t from 'tap'
import { Agent, BalancedPool, Client, type Dispatcher, Pool, RoundRobinPool } from '../../lib/index.js'
import { onRequests, rawOrigin, response } from '../servers/origin.js'

const options = { pipelining: 4, connections: 2, headersTimeout: 2000 }
const composing = {
  ...options,
  factory: (url: string | URL, own: object) =>
    new Client(url, own).compose(
      (dispatch) =>
        (...args) =>
          dispatch(...args),
    ),
}

const kinds: [string, (url: string) => Dispatcher][] = [
  ['Pool', (url) => new Pool(url, options)],
  ['Pool with the js parser, which is loaded first', (url) => new Pool(url, { ...options, parser: 'js' })],
  ['Pool of composed clients', (url) => new Pool(url, composing)],
  ['RoundRobinPool', (url) => new RoundRobinPool(url, options)],
  ['RoundRobinPool of composed clients', (url) => new RoundRobinPool(url, composing)],
  ['BalancedPool', (url) => new BalancedPool(url, options)],
  ['Agent', () => new Agent(options)],
  ['Agent with a budget', () => new Agent({ ...options, maxTotalConnections: 2 })],
]

for (const [name, make] of kinds) {
  t.test(`fills new connections up to pipelining before the first response: ${name}`, async (t) => {
    const counts: number[] = []
    const answers: (() => void)[] = []
    const origin = await rawOrigin((socket, index) => {
      counts[index] = 0
      onRequests(socket, () => {
        counts[index] = (counts[index] ?? 0) + 1
        answers.push(() => void socket.write(response('ok')))
        if (answers.length === 8) for (const answer of answers) answer()
      })
    })
    const dispatcher = make(origin.url)
    const get = { origin: origin.url, path: '/', method: 'GET' } as const
    const all = Array.from({ length: 8 }, async () => (await dispatcher.request(get)).body.text())
    t.strictSame(new Set(await Promise.all(all).catch(({ code }) => [code])), new Set(['ok']))
    t.strictSame(counts, [4, 4])
    await dispatcher.destroy()
    await origin.close()
  })
}
