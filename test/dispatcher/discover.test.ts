import t from 'tap'
import type { BalancedPoolCore } from '../../lib/dispatcher/balanced-pool.js'
import { coreOf } from '../../lib/dispatcher/dispatcher-core.js'
import { BalancedPool, discover, type UpstreamChange } from '../../lib/index.js'
import { event, httpOrigin } from '../servers/origin.js'

const get = { path: '/', method: 'GET' }

/** Source with the changes of the test: a change was applied when the next one is requested. */
function changes() {
  const queue: { value: unknown; taken: () => void }[] = []
  let taken = () => {}
  let wake = () => {}
  let failure: Error | null = null
  let returned = () => {}
  const ended = new Promise<void>((resolve) => {
    returned = resolve
  })
  const iterator: AsyncIterator<UpstreamChange> = {
    next: async () => {
      taken()
      while (queue.length === 0) {
        if (failure !== null) throw failure
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      }
      const first = queue.shift()
      taken = first?.taken ?? taken
      return { done: false, value: first?.value as UpstreamChange }
    },
    return: async () => {
      returned()
      return { done: true, value: undefined }
    },
  }
  return {
    source: { [Symbol.asyncIterator]: () => iterator },
    /** Resolves when the iteration was ended by its consumer. */
    ended,
    publish: (value: unknown) =>
      new Promise<void>((resolve) => {
        queue.push({ value, taken: resolve })
        wake()
      }),
    fail: (error: Error) => {
      failure = error
      wake()
    },
  }
}

t.test('adds and removes upstreams; requests in flight complete', async (t) => {
  let finish = () => {}
  const first = await httpOrigin((_request, reply) => {
    finish = () => reply.end('first')
    reply.flushHeaders()
  })
  const second = await httpOrigin((_request, reply) => reply.end('second'))
  const pool = new BalancedPool()
  const { source, publish, ended } = changes()
  const discovery = discover(pool, source)
  publish({ add: [first.url] })
  await discovery.ready
  t.strictSame(pool.upstreams, [first.url])
  const begun = await pool.request(get)
  await publish({ add: [{ origin: second.url, weight: 2 }], remove: [new URL(first.url)] })
  t.strictSame(pool.upstreams, [second.url])
  t.equal(await (await pool.request(get)).body.text(), 'second')
  finish()
  t.equal(await begun.body.text(), 'first')
  discovery.stop()
  discovery.stop()
  await ended
  t.pass('the source is closed')
  publish({ remove: [second.url] })
  await (await pool.request(get)).body.dump()
  t.strictSame(pool.upstreams, [second.url], 'later changes are ignored')
  t.equal((coreOf(pool) as BalancedPoolCore).stopOnClose.size, 0)
  await pool.close()
  await Promise.all([first.close(), second.close()])
})

t.test('reports errors and keeps the last upstreams', async (t) => {
  const pool = new BalancedPool()
  const { source, publish, fail } = changes()
  const errors: unknown[] = []
  let onReported = () => {}
  discover(pool, source, (error) => {
    errors.push(error)
    onReported()
  })
  await publish({ add: ['http://a', 'nonsense', 'http://b'], remove: 'http://a' })
  t.strictSame(pool.upstreams, ['http://a', 'http://b'])
  const invalid = { code: 'UND_ERR_INVALID_ARG' }
  t.match(errors.splice(0), [invalid, invalid])
  for (const none of [undefined, null, 'http://c', 5]) {
    await publish(none)
    t.match(errors.splice(0), [{ ...invalid, message: /change must be/ }], String(none))
  }
  await publish({ error: new Error('not all'), add: ['http://c'], remove: null })
  t.match(errors.splice(0), [{ message: 'not all' }])
  t.strictSame(pool.upstreams, ['http://a', 'http://b', 'http://c'])
  const failed = new Promise<void>((resolve) => {
    onReported = resolve
  })
  fail(new Error('lost'))
  await failed
  t.match(errors, [{ message: 'lost' }])
  t.strictSame(pool.upstreams, ['http://a', 'http://b', 'http://c'])
  await pool.close()
})

t.test('a change whose getter throws is reported, and the next change is applied', async (t) => {
  const reported: unknown[] = []
  const pool = new BalancedPool()
  let closed = false
  async function* source(): AsyncGenerator<UpstreamChange> {
    try {
      for (const name of ['error', 'add', 'remove']) {
        yield Object.defineProperty({}, name, {
          get() {
            throw new Error(`thrown by ${name}`)
          },
        })
      }
      yield { add: ['http://localhost:1'] }
      yield { remove: [] }
    } finally {
      closed = true
    }
  }
  const { ready, stop } = discover(pool, source(), (error) => reported.push((error as Error).message))
  await ready
  while (!closed) await new Promise(setImmediate)
  t.strictSame(reported, ['thrown by error', 'thrown by add', 'thrown by remove'])
  t.strictSame(pool.upstreams, ['http://localhost:1'])
  stop()
  await pool.close()
})

t.test('ends the source at once when the pool is closed or destroyed', async (t) => {
  for (const end of ['close', 'destroy'] as const) {
    const pool = new BalancedPool('http://a')
    const { source, ended } = changes()
    discover(pool, source, (error) => t.fail(String(error)))
    await pool[end]()
    await ended
    const late = changes()
    await discover(pool, late.source).ready
    await late.ended
    t.pass(end)
  }
})

t.test('an exception of a listener is uncaught, and discovery continues', async (t) => {
  const thrown: string[] = []
  const listen = (error: Error) => void thrown.push(error.message)
  process.on('uncaughtException', listen)
  t.teardown(() => process.off('uncaughtException', listen))
  const pool = new BalancedPool()
  for (const bad of [
    () => {
      throw new Error('at once')
    },
    async () => {
      throw new Error('later')
    },
  ]) {
    const { source, publish, fail } = changes()
    discover(pool, source, bad)
    const uncaught = event(process, 'uncaughtException')
    await publish({ add: ['nonsense', 'http://a'] })
    await uncaught
    t.strictSame(pool.upstreams, ['http://a'])
    const again = event(process, 'uncaughtException')
    fail(new Error('lost'))
    await again
  }
  t.strictSame(thrown, ['at once', 'at once', 'later', 'later'])
  await pool.close()
})

t.test('rejects invalid arguments', async (t) => {
  const pool = new BalancedPool()
  t.throws(() => discover(pool, [] as never), { code: 'UND_ERR_INVALID_ARG' })
  t.throws(() => discover({} as never, changes().source), { code: 'UND_ERR_INVALID_ARG' })
  t.throws(() => discover(pool, changes().source, 1 as never), { code: 'UND_ERR_INVALID_ARG' })
  await pool.close()
})
