import t from 'tap'
import { Agent, type Dispatcher, type DispatchInterceptor, interceptors, Pool, ProxyAgent } from '../../lib/index.js'
import { httpOrigin } from '../servers/origin.js'

/** Interceptor that adds a header, as in undici's documents. */
const adding: DispatchInterceptor = (dispatch) => (options, handler) =>
  dispatch({ ...options, headers: { ...(options.headers as object), 'x-token': 't' } }, handler)

async function echo() {
  return httpOrigin((request, reply) => {
    if (request.url === '/moved') return void reply.writeHead(302, { location: '/' }).end()
    const { host: _host, connection: _connection, ...headers } = request.headers
    reply.end(JSON.stringify(headers))
  })
}

async function ask(dispatcher: Dispatcher, options: object): Promise<unknown> {
  const { body } = await dispatcher.request({ path: '/', method: 'GET', ...options })
  return body.json()
}

t.test('interceptors below receive headers in the form of the caller', async (t) => {
  const origin = await echo()
  const url = origin.url.replace('127.0.0.1', 'localhost')
  const all: [string, DispatchInterceptor, string][] = [
    ['dns', interceptors.dns(), '/'],
    ['retry', interceptors.retry(), '/'],
    ['redirect, redirected', interceptors.redirect({ maxRedirections: 2 }), '/moved'],
    ['hedge', interceptors.hedge({ delay: 5000 }), '/'],
  ]
  for (const [name, interceptor, path] of all) {
    const agent = new Agent().compose(adding, interceptor)
    const receivedHeaders = (headers: unknown) =>
      ask(agent, { origin: url, path, ...(headers === undefined ? {} : { headers }) })
    t.strictSame(await receivedHeaders({ a: 'b' }), { a: 'b', 'x-token': 't' }, `${name}: an object`)
    t.strictSame(await receivedHeaders(undefined), { 'x-token': 't' }, `${name}: nothing`)
    t.strictSame(await receivedHeaders([['a', 'b']].values()), { a: 'b', 'x-token': 't' }, `${name}: an iterator`)
    await agent.close()
  }
  await origin.close()
})

t.test('a ProxyAgent passes headers objects on as objects', async (t) => {
  const proxy = await echo()
  for (const name of ['factory', 'clientFactory'] as const) {
    const composed = (origin: string | URL, options: object) => new Pool(origin, options).compose(adding)
    const agent = new ProxyAgent({ uri: proxy.url, headers: { 'x-proxy': 'p' }, [name]: composed })
    const receivedHeaders = (headers: unknown) =>
      ask(agent, { origin: 'http://origin.test', ...(headers ? { headers } : {}) })
    t.strictSame(await receivedHeaders({ a: 'b' }), { 'x-proxy': 'p', a: 'b', 'x-token': 't' }, name)
    t.strictSame(await receivedHeaders(undefined), { 'x-proxy': 'p', 'x-token': 't' }, name)
    t.strictSame(await receivedHeaders({ 'X-Proxy': 'own' }), { 'x-proxy': 'own', 'x-token': 't' }, name)
    await t.rejects(receivedHeaders({ 'Proxy-Authorization': 'x' }), { code: 'UND_ERR_INVALID_ARG' })
    await agent.close()
  }
  await proxy.close()
})
