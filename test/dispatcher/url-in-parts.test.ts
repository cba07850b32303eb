import t from 'tap'
import { BalancedPool, Client, Pool, RoundRobinPool } from '../../lib/index.js'
import { httpOrigin } from '../servers/origin.js'

const kinds = { Client, Pool, RoundRobinPool, BalancedPool }

for (const [name, Class] of Object.entries(kinds)) {
  t.test(`a ${name} accepts its URL in parts`, async (t) => {
    const origin = await httpOrigin((request, reply) => void reply.end(request.headers.host))
    const { protocol, hostname, host, port } = new URL(origin.url)
    const forms = [
      { protocol, hostname, port },
      { protocol, hostname, port: Number(port) },
      { protocol, host, hostname, port, pathname: '/', search: '' },
      { origin: origin.url },
      { origin: origin.url, protocol: 'http:', hostname: 'elsewhere.test' },
    ]
    for (const form of forms) {
      const dispatcher = new Class(form as never)
      const { body } = await dispatcher.request({ path: '/', method: 'GET' })
      t.equal(await body.text(), host, JSON.stringify(form))
      await dispatcher.close()
    }
    for (const form of [{}, { hostname }, { protocol: 'ftp:', hostname }, { protocol, hostname, port: 'x' }]) {
      t.throws(() => new Class(form as never), { code: 'UND_ERR_INVALID_ARG' }, JSON.stringify(form))
    }
    await origin.close()
  })
}
