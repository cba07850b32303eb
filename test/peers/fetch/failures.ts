import { createServer } from 'node:net'
import { Pool } from '../../../lib/index.js'
import { describeError, failure, type Scenario } from './common.js'
import { ENDLESS } from './origin.js'

/** Returns a loopback port on which no server listens. */
function deadPort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })
}

/** Results of aborts and of failing origins. */
export const failures: Record<string, Scenario> = {
  'abort before the request is sent': async (one) => {
    const key = one.newKey()
    const error = await failure(one.fetch(`/hello?key=${key}`, { signal: AbortSignal.abort() }))
    return { error, own: await failure(one.fetch('/hello', { signal: AbortSignal.abort(new Error('own reason')) })) }
  },
  'abort before the response headers': async (one) => {
    const key = one.newKey()
    const aborting = new AbortController()
    const fetching = failure(one.fetch(`/hang?key=${key}`, { signal: aborting.signal }))
    await one.requestState(key, () => true)
    aborting.abort()
    const error = await fetching
    return { error, closed: (await one.requestState(key, ({ closed }) => closed)).closed }
  },
  'abort by a timeout': async (one) => {
    const error = await failure(one.fetch('/hang', { signal: AbortSignal.timeout(20) }))
    return error.name
  },
  'abort while the body is read': async (one) => {
    const key = one.newKey()
    const aborting = new AbortController()
    const { signal } = aborting
    const response = await one.fetch(`/endless?key=${key}`, { signal })
    const reader = (response.body as ReadableStream<Uint8Array>).getReader()
    const { done } = await reader.read()
    aborting.abort(new TypeError('enough'))
    const error: unknown = await (async () => {
      for (;;) if ((await reader.read()).done) return 'ended'
    })().catch(describeError)
    return { done, error, closed: (await one.requestState(key, ({ closed }) => closed)).closed }
  },
  'an upload whose stream fails': async (one) => {
    const key = one.newKey()
    let pulls = 0
    const body = new ReadableStream<Uint8Array>({
      pull: (controller) => {
        if (pulls++ < 3) controller.enqueue(new Uint8Array(1024))
        else controller.error(new Error('source dried up'))
      },
    })
    const error = await failure(one.fetch(`/hang?key=${key}`, { method: 'POST', body, duplex: 'half' }))
    return { error, closed: (await one.requestState(key, ({ closed }) => closed)).closed }
  },
  'cancel() of a body': async (one) => {
    const key = one.newKey()
    const response = await one.fetch(`/endless?key=${key}`)
    await response.body?.cancel()
    const { closed, sent } = await one.requestState(key, (requestState) => requestState.closed)
    return { closed, held: sent < ENDLESS }
  },
  'break out of a loop over the body': async (one) => {
    const key = one.newKey()
    const response = await one.fetch(`/endless?key=${key}`)
    for await (const _ of response.body as unknown as AsyncIterable<Uint8Array>) break
    return (await one.requestState(key, (requestState) => requestState.closed)).closed
  },
  'connection refused': async (one) => {
    const url = `http://127.0.0.1:${await deadPort()}`
    return failure(one.way === 'native' ? one.fetch(url) : one.over(new Pool(url), () => one.fetch(url)))
  },
  'the connection closes before the response headers': (one) => failure(one.fetch('/break-head')),
  'the connection closes before the response headers of a POST': (one) =>
    failure(one.fetch('/break-head', { method: 'POST', body: 'x' })),
  'the connection closes within the body': async (one) => failure((await one.fetch('/break-body')).text()),
  'the response is not HTTP': (one) => failure(one.fetch('/nonsense')),
}
