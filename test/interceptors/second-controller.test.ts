import t from 'tap'
import type { DispatchHandler } from '../../lib/exchange/handler.js'
import { Agent, type Dispatcher, interceptors } from '../../lib/index.js'
import { httpOrigin } from '../servers/origin.js'

type Controller = Dispatcher.DispatchController

/** Interceptors that pass one controller for all attempts to their handler. */
const chains: Record<string, () => Dispatcher.DispatchInterceptor> = {
  retry: () => interceptors.retry(),
  redirect: () => interceptors.redirect({ maxRedirections: 1 }),
  hedge: () => interceptors.hedge({ delay: 60_000 }),
  decompress: () => interceptors.decompress(),
  dns: () =>
    interceptors.dns({
      lookup: (_origin, _options, done) => done(null, [{ address: '127.0.0.1', family: 4, ttl: 60_000 }]),
    }),
}

const ended = { aborted: false, paused: false, reason: null, abort() {}, pause() {}, resume() {} }

/** Dispatch function that starts with a controller without effect, and sends with another one later. */
const later: Dispatcher.DispatchInterceptor = (dispatch) => (options, handler) => {
  const known = handler as DispatchHandler
  known.onRequestQueued?.(ended as never)
  handler.onRequestStart?.(ended as never, null)
  setImmediate(() => setImmediate(() => dispatch(options, handler)))
  return true
}

async function openOrigin() {
  let requests = 0
  const origin = await httpOrigin((_request, reply) => {
    requests++
    reply.end('late')
  })
  const { port } = new URL(origin.url)
  return { close: () => origin.close(), url: `http://name.test:${port}`, local: origin.url, requests: () => requests }
}

/** Action of a handler on its controller, and its time. */
const moments: Record<string, (act: (controller: Controller) => void) => Partial<DispatchHandler>> = {
  'when it is queued': (act) => ({ onRequestQueued: act }),
  'when it starts': (act) => ({ onRequestStart: act }),
  'between the attempts': (act) => ({ onRequestStart: (controller) => void setImmediate(act, controller) }),
}

for (const [name, make] of Object.entries(chains)) {
  for (const [moment, handler] of Object.entries(moments)) {
    t.test(`${name}: an abort ${moment} holds for an attempt with another controller`, async (t) => {
      const origin = await openOrigin()
      const agent = new Agent()
      const calls: string[] = []
      const failure = await new Promise((resolve) => {
        const { onRequestStart, ...own } = handler((controller) => controller.abort(new Error('enough')))
        agent.compose(later, make()).dispatch(
          { origin: name === 'dns' ? origin.url : origin.local, path: '/', method: 'GET' },
          {
            ...own,
            onRequestStart(controller, context) {
              calls.push('start')
              if (calls.length > 1) throw new Error('started once more')
              onRequestStart?.(controller, context)
            },
            onResponseEnd: () => resolve('ended'),
            onResponseError: (_controller, error) => resolve(error),
          },
        )
      })
      t.match(failure, { message: 'enough' })
      t.equal(calls.length, moment === 'when it is queued' ? 0 : 1, 'its handler is not started after its abort')
      t.equal(origin.requests(), 0)
      await agent.close()
      await origin.close()
    })
  }

  t.test(`${name}: a pause holds for an attempt with another controller`, async (t) => {
    const origin = await openOrigin()
    const agent = new Agent()
    const body = await new Promise((resolve, reject) => {
      let paused = false
      let received = ''
      agent.compose(later, make()).dispatch(
        { origin: name === 'dns' ? origin.url : origin.local, path: '/', method: 'GET' },
        {
          onRequestStart(controller) {
            if (paused) return
            paused = true
            controller.pause()
          },
          onResponseStart(controller) {
            // Event-loop turns in which the body arrives.
            let turns = 20
            const wait = () => {
              if (turns-- > 0) return void setImmediate(wait)
              paused = false
              controller.resume()
            }
            wait()
          },
          onResponseData: (_controller, chunk) => {
            if (paused) reject(new Error('a paused handler received data'))
            received += chunk
          },
          onResponseEnd: () => resolve(received),
          onResponseError: (_controller, error) => reject(error),
        },
      )
    })
    t.equal(body, 'late')
    await agent.close()
    await origin.close()
  })
}
