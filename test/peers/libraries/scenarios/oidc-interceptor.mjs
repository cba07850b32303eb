import assert from 'node:assert/strict'
import { Readable, Writable } from 'node:stream'
import { Agent, getGlobalDispatcher, Pool, pipeline, request, setGlobalDispatcher, stream } from 'undici'
import { createOidcInterceptor } from 'undici-oidc-interceptor'
import { failure, json, scenario, service, until } from './harness.mjs'

/** A token that is valid for as many seconds. */
function token(seconds, name) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url')
  return [part({ alg: 'HS256', typ: 'JWT' }), part({ name, exp: Math.floor(Date.now() / 1000) + seconds }), 'x'].join(
    '.',
  )
}

const first = token(3600, 'first')
const second = token(3600, 'second')

async function start(context, ...tokens) {
  const answers = tokens.map((one) => (typeof one === 'number' ? json({ error: 'no' }, one) : json(one)))
  const idp = await service(context, { '/token': answers })
  const origin = await service(context, {
    '/': (request, response, body) => {
      const known = request.headers.authorization === `Bearer ${second}` ? 200 : 401
      const { authorization, 'content-length': length, 'transfer-encoding': coding } = request.headers
      json({ authorization, length, coding, body: String(body) }, known)(request, response, body)
    },
    '/any': (request, response, body) => json(request.headers.authorization ?? 'none')(request, response, body),
  })
  const interceptor = createOidcInterceptor({
    clientId: 'me',
    clientSecret: 'secret',
    idpTokenUrl: `${idp.url}/token`,
    retryOnStatusCodes: [401],
    urls: [origin.url],
  })
  const agent = new Agent()
  context.after(() => agent.close())
  return { idp, origin, interceptor, dispatcher: agent.compose(interceptor), agent }
}

scenario('requests a token once, and adds it to each request', async (context) => {
  const { idp, origin, dispatcher } = await start(context, { access_token: second, token_type: 'Bearer' })
  for (let i = 0; i < 3; i++) {
    const { statusCode, body } = await request(origin.url, { dispatcher })
    assert.equal(statusCode, 200)
    assert.equal((await body.json()).authorization, `Bearer ${second}`)
  }
  assert.equal(idp.received.length, 1)
  assert.equal(String(idp.received[0].body), 'grant_type=client_credentials&client_id=me&client_secret=secret')
})

scenario('requests one token for concurrent requests', async (context) => {
  const { idp, origin, dispatcher } = await start(context, { access_token: second })
  const ask = async (path) => (await request(origin.url + path, { dispatcher })).body.json()
  const answers = await Promise.all(Array.from({ length: 20 }, (_, i) => ask(`/any?${i}`)))
  assert.ok(answers.every((one) => one === `Bearer ${second}`))
  assert.equal(idp.received.length, 1)
})

scenario('renews a token that the server rejects, and retries the request', async (context) => {
  const { idp, origin, dispatcher } = await start(context, { access_token: first }, { access_token: second })
  const { statusCode, body } = await request(origin.url, { dispatcher })
  assert.equal(statusCode, 200)
  assert.equal((await body.json()).authorization, `Bearer ${second}`)
  assert.equal(idp.received.length, 2)
  assert.equal(origin.received.length, 2)
})

scenario('retries a PUT with its body', async (context) => {
  const { origin, dispatcher } = await start(context, { access_token: first }, { access_token: second })
  const { statusCode, body } = await request(origin.url, { method: 'PUT', body: 'text', dispatcher })
  assert.equal(statusCode, 200)
  assert.deepEqual(await body.json(), { authorization: `Bearer ${second}`, length: '4', body: 'text' })
})

scenario('fails with the status if the server rejects the new token too', async (context) => {
  const { origin, dispatcher } = await start(context, { access_token: first })
  const outcome = await request(origin.url, { dispatcher }).then(
    async ({ statusCode, body }) => [statusCode, await body.dump()][0],
    (error) => error.statusCode,
  )
  assert.equal(outcome, 401)
  assert.equal(origin.received.length, 2)
})

scenario('fails if the token endpoint returns an error', async (context) => {
  const { origin, dispatcher } = await start(context, 500)
  const error = await failure(request(origin.url, { dispatcher }))
  assert.ok(error !== undefined)
  assert.equal(origin.received.length, 0)
})

scenario('adds no token to requests to other origins', async (context) => {
  const { idp, dispatcher } = await start(context, { access_token: second })
  const other = await service(context, {
    '/': (request, response, body) => json(request.headers.authorization ?? 'none')(request, response, body),
  })
  const { body } = await request(other.url, { dispatcher })
  assert.equal(await body.json(), 'none')
  assert.equal(idp.received.length, 0)
})

scenario('works on a Pool and on the global dispatcher, and emits an event for a new token', async (context) => {
  const { origin, interceptor, agent } = await start(context, { access_token: second })
  const before = getGlobalDispatcher()
  context.after(() => setGlobalDispatcher(before))
  const tokens = []
  setGlobalDispatcher(agent.compose(interceptor))
  getGlobalDispatcher().on('oauth:token-refreshed', (token) => tokens.push(token))
  const { statusCode, body } = await request(origin.url)
  assert.equal(statusCode, 200)
  await body.dump()
  assert.deepEqual(tokens, [second])
  const pool = new Pool(origin.url)
  const answer = await pool.compose(interceptor).request({ origin: origin.url, path: '/', method: 'GET' })
  assert.equal(answer.statusCode, 200)
  await answer.body.dump()
  await pool.close()
})

scenario('renews a token that has expired or expires soon', async (context) => {
  const { idp, origin } = await start(context, { access_token: second })
  const options = { clientId: 'me', refreshToken: 'r', idpTokenUrl: `${idp.url}/token`, urls: [origin.url] }
  for (const [seconds, status] of [
    [-10, 200],
    [20, 401],
  ]) {
    const dispatcher = new Agent().compose(
      createOidcInterceptor({ ...options, accessToken: token(seconds, 'old'), retryOnStatusCodes: [599] }),
    )
    const one = await request(origin.url, { dispatcher })
    await one.body.dump()
    // One that will expire is sent while another is got.
    assert.equal(one.statusCode, status)
    await until(() => idp.received.length > 0)
    assert.equal(String(idp.received.pop().body), 'refresh_token=r&grant_type=refresh_token&client_id=me')
    await dispatcher.close()
  }
})

scenario('streams, pipes and fetches with a token', async (context) => {
  const { origin, dispatcher } = await start(context, { access_token: second })
  const chunks = []
  const sink = () => new Writable({ write: (chunk, _encoding, done) => done(null, chunks.push(chunk)) })
  await stream(`${origin.url}/any`, { method: 'GET', dispatcher }, sink)
  assert.equal(JSON.parse(Buffer.concat(chunks)), `Bearer ${second}`)
  const duplex = pipeline(origin.url, { method: 'PUT', dispatcher, headers: {} }, ({ body }) => body)
  duplex.end('piped')
  assert.equal(JSON.parse(Buffer.concat(await duplex.toArray())).body, 'piped')
  const uploaded = await request(origin.url, { method: 'PUT', body: Readable.from(['a', 'b']), dispatcher })
  assert.equal((await uploaded.body.json()).body, 'ab')
})
