import { once } from 'node:events'
import t from 'tap'
import { Agent, Client, interceptors, Pool } from '../../../lib/index.js'
import { ask, describe, FarServers, ipFar, noSocketsLeft } from '../network-control.js'

const NAME = 'far.test'
const OLD = '10.77.1.2'
const NEW = '10.77.1.3'
const where = { path: '/where' }

ipFar('address', 'add', `${NEW}/24`, 'dev', 'smooth')
const far = await FarServers.start(t)
const origin = far.url(NAME)

await t.test('a name that is resolved after a failure is used', async (t) => {
  const pool = new Pool(origin, { connections: 2 })
  await far.command({ do: 'names', zone: { [NAME]: 'none' } })
  const none = await Promise.all([ask(pool, where), ask(pool, where), ask(pool, where)])
  t.strictSame([...new Set(none.map(({ error }) => `${error?.code} ${error?.phase}`))], ['ENOTFOUND connect'])
  await far.command({ do: 'names', zone: { [NAME]: 'failure' } })
  const failure = await ask(pool, where)
  t.match(failure.error, { code: 'EAI_AGAIN', phase: 'connect', replaySafe: true })
  await far.command({ do: 'names', zone: {} })
  t.match((await ask(pool, where)).error, { code: 'EAI_AGAIN', phase: 'connect' }, 'no name server responds')
  t.match(pool.stats, { size: 0, connected: 0 })
  await far.command({ do: 'names', zone: { [NAME]: [OLD] } })
  t.equal(describe(await ask(pool, where)), 'answered')
  await pool.close()
})

await t.test('a changed address is used for new connections', async (t) => {
  await far.command({ do: 'names', zone: { [NAME]: [OLD] } })
  const client = new Client(origin)
  const address = async () => String((await ask(client, where)).body).replace('::ffff:', '')
  t.equal(await address(), OLD)
  await far.command({ do: 'names', zone: { [NAME]: [NEW] } })
  t.equal(await address(), OLD, 'the open connection is reused')
  const disconnected = once(client, 'disconnect')
  await far.command({ do: 'hang up' })
  await disconnected
  t.equal(await address(), NEW)
  await client.close()
})

await t.test('the dns interceptor resolves again when its record has expired', async (t) => {
  await far.command({ do: 'names', zone: { [NAME]: [OLD] } })
  const agent = new Agent()
  const dispatcher = agent.compose(interceptors.dns({ maxTTL: 200 }))
  const address = async () => String((await ask(dispatcher, { ...where, origin })).body).replace('::ffff:', '')
  t.equal(await address(), OLD)
  await far.command({ do: 'names', zone: { [NAME]: [NEW] } })
  while ((await address()) === OLD) await new Promise((resolve) => setTimeout(resolve, 20))
  t.equal(await address(), NEW)
  await far.command({ do: 'names', zone: { [NAME]: 'none' } })
  let outcome = await ask(dispatcher, { ...where, origin })
  while (outcome.error === null) outcome = await ask(dispatcher, { ...where, origin })
  t.match(outcome.error, { code: 'ENOTFOUND' })
  await far.command({ do: 'names', zone: { [NAME]: [OLD] } })
  t.equal(await address(), OLD, 'a failed lookup is not cached')
  await agent.close()
})

await t.test('leaves no socket behind', noSocketsLeft)
