import net from 'node:net'
import t from 'tap'
import { Agent, BalancedPool, Client, type Dispatcher, interceptors, Pool, request } from '../../lib/index.js'
import { httpOrigin } from '../servers/origin.js'

const dispatchers: Record<string, (url: string, options: object) => Dispatcher> = {
  Client: (url, options) => new Client(url, options),
  Pool: (url, options) => new Pool(url, { ...options, connections: 1 }),
  BalancedPool: (url, options) => new BalancedPool(url, { ...options, connections: 1 }),
  Agent: (_url, options) => new Agent({ ...options, connections: 1 }),
  'a composed Client': (url, options) =>
    new Client(url, options).compose(interceptors.retry(), interceptors.redirect()),
}

for (const [name, make] of Object.entries(dispatchers)) {
  t.test(`${name} sets the type of service of each request, then restores the connector's`, async (t) => {
    const origin = await httpOrigin((request, reply) => void request.resume().on('end', () => reply.end('x')))
    let current = 3
    const seen: number[] = []
    const able = {
      getTypeOfService: () => current,
      setTypeOfService(value: number) {
        current = value
        seen.push(value)
        if (value === 9) throw new Error('EPERM')
      },
    }
    const connect = (_options: unknown, callback: (error: null, socket: net.Socket) => void) => {
      const socket = Object.assign(net.connect(origin.port, '127.0.0.1'), able)
      socket.once('connect', () => callback(null, socket))
    }
    const dispatcher = make(origin.url, { connect })
    for (const typeOfService of [undefined, 42, 42, undefined, 7, 0, null, 9]) {
      const options = { method: 'POST' as const, body: 'x', typeOfService, dispatcher }
      const { body } = await request(origin.url, options)
      await body.dump()
    }
    t.strictSame(seen, [42, 3, 7, 0, 3, 9])
    await dispatcher.close()
    await origin.close()
  })
}
