// Pools: no more connections than allowed, even shares, upstreams that come and go.
import { once } from 'node:events'
import { createServer } from 'node:http'
import { BalancedPool, Pool } from 'undici'

async function backend(name) {
  const seen = { requests: 0, connections: 0 }
  const server = createServer((_asked, answer) => {
    seen.requests++
    setTimeout(() => answer.end(name), 5)
  })
  server.on('connection', () => seen.connections++)
  server.listen(0)
  await once(server, 'listening')
  return { seen, origin: `http://localhost:${server.address().port}`, server }
}
const get = { path: '/', method: 'GET' }
const text = async (dispatcher) => (await dispatcher.request(get)).body.text()
const [one, two] = [await backend('one'), await backend('two')]

const pool = new Pool(one.origin, { connections: 3 })
const answers = await Promise.all(Array.from({ length: 12 }, () => text(pool)))
console.log(answers.join(' '), one.seen)
await pool.close()
await pool.request(get).catch((error) => console.log(error.name, error.code))

const balanced = new BalancedPool([one.origin])
balanced.addUpstream(two.origin)
console.log(balanced.upstreams.length)
console.log([await text(balanced), await text(balanced), await text(balanced), await text(balanced)].sort())
balanced.removeUpstream(one.origin)
console.log(await text(balanced), await text(balanced), balanced.upstreams.length)
balanced.removeUpstream(two.origin)
await balanced.request(get).catch((error) => console.log(error.name, error.code))
await balanced.close()
one.server.close()
two.server.close()
