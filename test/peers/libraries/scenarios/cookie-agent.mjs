import assert from 'node:assert/strict'
import { CookieAgent, cookie } from 'http-cookie-agent/undici'
import { CookieJar } from 'tough-cookie'
import { Agent, Client, interceptors, Pool, request } from 'undici'
import { failure, json, scenario, service } from './harness.mjs'

const set =
  (...cookies) =>
  (_request, response) =>
    response.writeHead(200, { 'set-cookie': cookies }).end()
const echoCookies = (request, response, body) => json(request.headers.cookie || 'none')(request, response, body)

function start(context) {
  return service(context, {
    '/set': set('a=1; Path=/', 'b=2; Path=/echo; HttpOnly'),
    '/echo': echoCookies,
    '/moved': (_request, response) => response.writeHead(302, { location: '/echo', 'set-cookie': 'c=3; Path=/' }).end(),
  })
}

const drop = async ({ body }) => body.dump()
const jsonOf = async ({ body }) => body.json()

scenario('CookieAgent stores cookies, and sends them', async (context) => {
  const one = await start(context)
  const jar = new CookieJar()
  const dispatcher = new CookieAgent({ cookies: { jar }, connections: 2 })
  context.after(() => dispatcher.close())
  assert.equal(await jsonOf(await request(`${one.url}/echo`, { dispatcher })), 'none')
  await drop(await request(`${one.url}/set`, { dispatcher }))
  assert.equal((await jar.getCookies(`${one.url}/echo`)).length, 2)
  assert.equal(await jsonOf(await request(`${one.url}/echo`, { dispatcher })), 'b=2; a=1')
  const headers = { cookie: 'mine=0' }
  assert.equal(await jsonOf(await request(`${one.url}/echo`, { dispatcher, headers })), 'b=2; a=1; mine=0')
  const pairs = ['cookie', 'mine=0', 'x-other', 'y']
  assert.equal(await jsonOf(await request(`${one.url}/echo`, { dispatcher, headers: pairs })), 'b=2; a=1; mine=0')
})

scenario('the cookie interceptor works on each dispatcher, below other interceptors', async (context) => {
  const one = await start(context)
  for (const open of [() => new Agent(), () => new Pool(one.url), () => new Client(one.url)]) {
    const jar = new CookieJar()
    const plain = open()
    const dispatcher = plain
      .compose(cookie({ jar }))
      .compose(interceptors.retry())
      .compose(interceptors.redirect({ maxRedirections: 3 }))
    await drop(await dispatcher.request({ origin: one.url, path: '/set', method: 'GET' }))
    const moved = await dispatcher.request({ origin: one.url, path: '/moved', method: 'GET' })
    assert.equal(await jsonOf(moved), 'b=2; a=1; c=3')
    await plain.close()
  }
})

scenario('works with the built-in fetch', async (context) => {
  const one = await start(context)
  const jar = new CookieJar()
  const dispatcher = new CookieAgent({ cookies: { jar } })
  context.after(() => dispatcher.close())
  await (await fetch(`${one.url}/set`, { dispatcher })).text()
  const response = await fetch(`${one.url}/moved`, { dispatcher })
  assert.equal(await response.json(), 'b=2; a=1; c=3')
})

scenario('fails with the error of its dispatcher', async (context) => {
  const one = await start(context)
  const dispatcher = new CookieAgent({ cookies: { jar: new CookieJar() } })
  const controller = new AbortController()
  controller.abort()
  const error = await failure(request(`${one.url}/echo`, { dispatcher, signal: controller.signal }))
  assert.equal(error.name, 'AbortError')
  await dispatcher.destroy()
  assert.equal((await failure(request(`${one.url}/echo`, { dispatcher }))).code, 'UND_ERR_DESTROYED')
})
