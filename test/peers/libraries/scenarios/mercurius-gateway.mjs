import assert from 'node:assert/strict'
import gateway from '@mercuriusjs/gateway'
import fastify from 'fastify'
import { Pool } from 'undici'
import { cut, json, scenario, service, silent } from './harness.mjs'

const userSchema = 'extend type Query { me: User } type User @key(fields: "id") { id: ID! name: String }'
const postSchema = `
  type Post @key(fields: "pid") { pid: ID! title: String author: User }
  extend type User @key(fields: "id") { id: ID! @external }
  extend type Mutation { addPost(title: String): Post }
  extend type Query { topPosts: [Post] }
`

/** A federated service that answers what the gateway asks. */
function federated(context, schema, data) {
  return service(context, {
    '/graphql': (request, response, body) => {
      const { query, variables } = JSON.parse(String(body))
      const found = query.includes('_service') ? { _service: { sdl: schema } } : data(query, variables, request.headers)
      if (typeof found === 'function') return found(request, response, body)
      return json({ data: found })(request, response, body)
    },
  })
}

const ann = { __typename: 'User', id: 'u1', name: 'Ann' }

const users = (context, more) =>
  federated(
    context,
    userSchema,
    more ?? ((query) => (query.includes('_entities') ? { _entities: [ann] } : { me: ann })),
  )

const posts = (context) =>
  federated(context, postSchema, (query, variables) => {
    if (query.includes('addPost')) return { addPost: { pid: 'p2', title: Object.values(variables ?? {})[0] ?? 'Two' } }
    return { topPosts: [{ __typename: 'Post', pid: 'p1', title: 'One', author: { __typename: 'User', id: 'u1' } }] }
  })

async function start(context, services, options = {}) {
  const app = fastify({ forceCloseConnections: true })
  await app.register(gateway, { gateway: { services, ...options }, jit: 0 })
  await app.ready()
  context.after(() => app.close())
  return async (query, variables, headers = {}) => {
    const response = await app.inject({ method: 'POST', url: '/graphql', headers, payload: { query, variables } })
    return { ...response.json(), headers: response.headers }
  }
}

const at = (one) => `${one.url}/graphql`

scenario('combines the schemas of two services', async (context) => {
  const [one, two] = [await users(context), await posts(context)]
  const ask = await start(context, [
    { name: 'user', url: at(one) },
    { name: 'post', url: at(two) },
  ])
  const { data } = await ask('{ me { id name } topPosts { pid author { name } } }')
  assert.deepEqual(data, { me: { id: 'u1', name: 'Ann' }, topPosts: [{ pid: 'p1', author: { name: 'Ann' } }] })
  const { data: added } = await ask('mutation Add($title: String) { addPost(title: $title) { pid title } }', {
    title: 'New',
  })
  assert.deepEqual(added, { addPost: { pid: 'p2', title: 'New' } })
})

scenario('balances requests to a service over its URLs', async (context) => {
  const all = await Promise.all([0, 1, 2].map(() => users(context)))
  const ask = await start(context, [{ name: 'user', url: all.map(at) }])
  for (let i = 0; i < 30; i++) assert.equal((await ask(`{ me { id name } }`)).data.me.name, 'Ann')
  const counts = all.map(({ received }) => received.length)
  assert.ok(
    counts.every((count) => count >= 10),
    String(counts),
  )
})

scenario('forwards headers, and uses the agent option', async (context) => {
  let seen
  const one = await users(context, (_query, _variables, headers) => {
    seen = headers
    return { me: ann }
  })
  let connects = 0
  const agent = new Pool(one.url, { connections: 2 }).on('connect', () => connects++)
  const rewriteHeaders = (headers) => ({ authorization: headers.authorization, 'x-gateway': 'yes' })
  const ask = await start(context, [{ name: 'user', url: at(one), agent, rewriteHeaders }])
  await ask('{ me { id } }', undefined, { authorization: 'Bearer secret' })
  assert.deepEqual([seen.authorization, seen['x-gateway']], ['Bearer secret', 'yes'])
  assert.equal(connects, one.connections())
  await agent.close()
})

scenario('reports a service that fails, does not respond, or closes the connection', async (context) => {
  for (const [answer, most] of [
    [json({ errors: [{ message: 'broken' }] }, 200), /broken/],
    [json({}, 500), /.*/],
    [silent, /.*/],
    [cut, /.*/],
  ]) {
    const one = await users(context, () => answer)
    const ask = await start(context, [{ name: 'user', url: at(one), headersTimeout: 60, bodyTimeout: 60 }])
    const { errors } = await ask('{ me { id } }')
    assert.equal(errors.length, 1)
    assert.match(errors[0].message, most)
  }
})

scenario('completes concurrent queries', async (context) => {
  const [one, two] = [await users(context), await posts(context)]
  const ask = await start(context, [
    { name: 'user', url: at(one), connections: 3 },
    { name: 'post', url: at(two), connections: 3 },
  ])
  const answers = await Promise.all(
    Array.from({ length: 50 }, (_, i) => ask(`query Q${i} { topPosts { author { name } } }`)),
  )
  assert.ok(answers.every(({ data }) => data.topPosts[0].author.name === 'Ann'))
  assert.ok(one.connections() <= 3)
})
