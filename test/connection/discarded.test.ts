import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import t from 'tap'
import { Client } from '../../lib/index.js'
import { onRequests, rawOrigin, response } from '../servers/origin.js'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

t.test('an idle connection does not retain an aborted request whose response was read', async (t) => {
  const origin = await rawOrigin((socket) => onRequests(socket, () => socket.write(response('ok'))))
  const client = new Client(origin.url, { pipelining: 2 })
  const ask = async (options: object) => (await client.request({ path: '/', method: 'GET', ...options })).body.text()
  await ask({})
  let held = new WeakRef({})
  await (async () => {
    const opaque = {}
    held = new WeakRef(opaque)
    const abort = new AbortController()
    const first = ask({})
    const aborted = t.rejects(ask({ signal: abort.signal, opaque }))
    abort.abort()
    await Promise.all([first, aborted])
  })()
  while (client.stats.running > 0) await new Promise(setImmediate)
  for (let i = 0; i < 20 && held.deref() !== undefined; i++) {
    await new Promise(setImmediate)
    collect()
  }
  t.equal(held.deref(), undefined)
  t.equal(origin.connections, 1)
  await client.close()
  await origin.close()
})
