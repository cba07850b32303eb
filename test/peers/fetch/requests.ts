import { echoed, type Scenario, type Surroundings, streamOf } from './common.js'

/** Returns the parts of a request that the origin received. */
async function echo(one: Surroundings, init: Parameters<Surroundings['fetch']>[1], path = '/echo') {
  const { rawHeaders, ...rest } = await echoed(await one.fetch(path, init))
  const fields: Record<string, string> = {}
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = (rawHeaders[i] as string).toLowerCase()
    const value = rawHeaders[i + 1] as string
    fields[name] = name in fields ? `${fields[name]}, and again ${value}` : value
  }
  const { host, 'user-agent': _agent, ...others } = fields
  return { ...rest, rightHost: host === new URL(one.origin).host, fields: others }
}

/** Results of requests of every kind, as received by the origin. */
export const requests: Record<string, Scenario> = {
  GET: async (one) => {
    const response = await one.fetch('/hello')
    const { status, statusText, ok, type, redirected } = response
    const url = response.url.slice(one.origin.length)
    const seen = ['content-type', 'x-name', 'content-length'].map((name) => response.headers.get(name))
    const cookies = response.headers.getSetCookie()
    return { status, statusText, ok, type, redirected, url, seen, cookies, text: await response.text() }
  },
  'a request object': async (one) => {
    const request = new Request(`${one.origin}/echo`, { method: 'PATCH', body: 'patched', headers: { 'x-a': 'b' } })
    const { method, body } = await echoed(await one.fetch(request))
    return { method, body }
  },
  'headers of a plain GET': (one) => echo(one, {}),
  'headers with cache: no-store': (one) => echo(one, { cache: 'no-store' }),
  'headers with keepalive': (one) => echo(one, { keepalive: true }),
  'headers of the caller': (one) => {
    const headers = { 'X-Mixed': 'Case', accept: 'text/plain', 'user-agent': 'me', 'x-latin': 'caf\xe9', 'x-empty': '' }
    return echo(one, { headers })
  },
  'a query': (one) => echo(one, {}, '/echo?a=1&b=%C3%A9&c=x y#fragment'),
  DELETE: (one) => echo(one, { method: 'DELETE' }),
  OPTIONS: (one) => echo(one, { method: 'OPTIONS' }),
  'POST of nothing': (one) => echo(one, { method: 'POST' }),
  'POST of a string': (one) => echo(one, { method: 'POST', body: 'caf\xe9' }),
  'POST of bytes': (one) => echo(one, { method: 'POST', body: Uint8Array.of(0, 255, 13, 10) }),
  'POST of a Blob': (one) => echo(one, { method: 'POST', body: new Blob(['a', 'b'], { type: 'x/y' }) }),
  'POST of URLSearchParams': (one) => echo(one, { method: 'POST', body: new URLSearchParams({ a: 'b c' }) }),
  'PUT of a stream': (one) => echo(one, { method: 'PUT', body: streamOf(['a', 'bc', 'def']), duplex: 'half' }),
  'POST of a FormData': async (one) => {
    const form = new FormData()
    form.append('name', 'caf\xe9 "quoted"')
    form.append('file', new Blob(['content\r\n'], { type: 'text/x' }), 'a\nb.txt')
    return (await one.fetch('/form', { method: 'POST', body: form })).json()
  },
  'POST of an 8 MB stream, echoed': async (one) => {
    const piece = new Uint8Array(65_536).map((_, index) => index % 251)
    const body = streamOf(Array.from({ length: 128 }, () => piece))
    const response = await one.fetch('/mirror', { method: 'POST', body, duplex: 'half' })
    const bytes = new Uint8Array(await response.arrayBuffer())
    const wrong = bytes.findIndex((byte, index) => byte !== (index % 65_536) % 251)
    return { length: bytes.length, wrong }
  },
  'a response arrives while the request is being sent': async (one) => {
    let push: (text: string | null) => void = () => {}
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        push = (text) => (text === null ? controller.close() : controller.enqueue(new TextEncoder().encode(text)))
      },
    })
    push('first ')
    const response = await one.fetch('/mirror', { method: 'POST', body, duplex: 'half' })
    const reader = (response.body as ReadableStream<Uint8Array>).pipeThrough(new TextDecoderStream()).getReader()
    const received = [(await reader.read()).value]
    push('second ')
    received.push((await reader.read()).value)
    push(null)
    return { received, done: (await reader.read()).done }
  },
}
