import { Readable } from 'node:stream'
import t from 'tap'
import { Agent, Client, errors, interceptors, Pool } from '../../lib/index.js'
import { httpOrigin } from '../servers/origin.js'

/** Bodies that fail with an error of the caller, at the first chunk or later. */
const bodies: Record<string, (error: unknown) => unknown> = {
  'a generator': (error) => throwing(error),
  'a generator that throws at once': (error) => throwing(error, []),
  'an async generator': (error) =>
    (async function* () {
      yield* throwing(error)
    })(),
  'a stream': (error) => Readable.from(throwing(error)),
  'a stream that is destroyed later': (error) => {
    const stream = new Readable({ read() {} })
    stream.once('resume', () => setImmediate(() => stream.destroy(error as Error)))
    return stream
  },
  'a web stream': (error) =>
    new ReadableStream({
      start: (controller) => controller.enqueue(Buffer.from('piece')),
      pull: (controller) => controller.error(error),
    }),
}

function* throwing(error: unknown, pieces = ['piece']): Generator<string> {
  yield* pieces
  throw error
}

/** Errors of callers, which other requests may fail with too. */
const given: Record<string, () => Error> = {
  'an Error': () => new Error('mine'),
  'a SocketError': () => new errors.SocketError('of another request'),
  'a RequestAbortedError': () => new errors.RequestAbortedError('of another request'),
  'a RequestContentLengthMismatchError': () => new errors.RequestContentLengthMismatchError('of another request'),
}

for (const [kind, bodyOf] of Object.entries(bodies)) {
  t.test(`a request fails with the same error object as ${kind}, without properties added to it`, async (t) => {
    const origin = await httpOrigin((request, response) => void request.resume().on('end', () => response.end()))
    const dispatchers = [
      new Client(origin.url),
      new Pool(origin.url),
      new Agent(),
      new Client(origin.url).compose(interceptors.retry(), interceptors.redirect()),
    ]
    for (const dispatcher of dispatchers) {
      for (const [name, make] of Object.entries(given)) {
        for (const headers of [{}, { 'content-length': '10' }]) {
          const error = make()
          const before = JSON.stringify(Object.entries(error))
          const request = { origin: origin.url, path: '/', method: 'PUT', headers, body: bodyOf(error) as Readable }
          const [failure] = await dispatcher.request(request).then(
            () => ['it did not fail'],
            (failure: unknown) => [failure],
          )
          t.equal(failure, error, name)
          t.equal(JSON.stringify(Object.entries(error)), before, name)
        }
      }
      await dispatcher.destroy()
    }
    await origin.close()
  })
}

t.test('the error for a body chunk that is not bytes has the origin, method and path of the request', async (t) => {
  const origin = await httpOrigin((request, response) => void request.resume().on('end', () => response.end()))
  const client = new Client(origin.url)
  const request = {
    path: '/place',
    method: 'PUT',
    body: (function* () {
      yield 5
    })() as never,
  }
  await t.rejects(client.request(request), { code: 'UND_ERR_INVALID_ARG', origin: origin.url, path: '/place' })
  await client.destroy()
  await origin.close()
})
