import { Duplex } from 'node:stream'
import t from 'tap'
import { Client, DecoratorHandler, type Dispatcher } from '../../lib/index.js'
import { rawOrigin } from '../servers/origin.js'

const START = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhel'

/** A stream that is no socket of the system, which responds and ends within one tick. */
function stream(end: (socket: Duplex) => void): Duplex {
  const socket: Duplex = new Duplex({
    read() {},
    write(_chunk, _encoding, done) {
      done()
      setImmediate(() => {
        socket.push(START)
        end(socket)
      })
    },
  })
  return socket
}

const ends = {
  end: (socket: Duplex) => void socket.push(null),
  error: (socket: Duplex) => void process.nextTick(() => socket.destroy(new Error('broken'))),
  close: (socket: Duplex) => void process.nextTick(() => socket.destroy()),
}

for (const [event, end] of Object.entries(ends)) {
  t.test(`fetch fails when headers and the ${event} event of a stream come in one tick`, async (t) => {
    const client = new Client('http://fetch.test', {
      connect: (_options, callback) => callback(null, stream(end) as never),
    })
    t.teardown(() => client.destroy())
    const response = fetch('http://fetch.test/', { dispatcher: client } as RequestInit)
    let timer: NodeJS.Timeout | undefined
    const never = new Promise((resolve) => {
      timer = setTimeout(resolve, 3000, 'pending')
    })
    const outcome = response
      .then((answer) => answer.text())
      .then(
        () => 'ended',
        () => 'failed',
      )
    t.equal(await Promise.race([outcome, never]), 'failed')
    clearTimeout(timer)
  })
}

/** Resolves with how a `fetch` over `dispatcher` ends, or `pending` after three seconds. */
async function outcomeOf(url: string, dispatcher: Dispatcher): Promise<string> {
  let timer: NodeJS.Timeout | undefined
  const never = new Promise<string>((resolve) => {
    timer = setTimeout(resolve, 3000, 'pending')
  })
  const outcome = fetch(url, { dispatcher } as RequestInit)
    .then((response) => response.text())
    .then(
      () => 'ended',
      () => 'failed',
    )
  const result = await Promise.race([outcome, never])
  clearTimeout(timer)
  return result
}

const openResponse = (socket: Duplex) => void socket.on('data', () => socket.write(START)).on('error', () => {})

t.test('fetch fails when its dispatcher is destroyed while response headers are delivered', async (t) => {
  const origin = await rawOrigin(openResponse)
  const stream = new Duplex({
    read() {},
    write(_chunk, _encoding, done) {
      done()
      setImmediate(() => stream.push(START))
    },
  })
  const dispatchers = [
    new Client(origin.url),
    new Client(origin.url, { connect: (_options, callback) => callback(null, stream as never) }),
  ]
  for (const client of dispatchers) {
    class Destroying extends DecoratorHandler {
      override onResponseStart(...headers: Parameters<DecoratorHandler['onResponseStart']>): void {
        void client.destroy()
        super.onResponseStart(...headers)
      }
    }
    const composed = client.compose((dispatch) => (options, handler) => dispatch(options, new Destroying(handler)))
    t.equal(await outcomeOf(origin.url, composed), 'failed')
  }
  await origin.close()
})

t.test('close() resolves after a request whose stream emits close within destroy()', async (t) => {
  const socket = stream((socket) => void socket.emit('error', new Error('broken')))
  const { destroy } = socket
  socket.destroy = (error) => {
    socket.emit('close')
    return destroy.call(socket, error)
  }
  const client = new Client('http://close.test', { connect: (_options, callback) => callback(null, socket as never) })
  const events: string[] = []
  let closed: Promise<void> | undefined
  await new Promise<void>((resolve) => {
    client.dispatch(
      { path: '/', method: 'GET' },
      {
        onResponseStart() {
          closed = client.close().then(() => {
            events.push('closed')
            resolve()
          })
        },
        onResponseError: (_controller, error) => void events.push(error.message),
      },
    )
  })
  await closed
  t.strictSame(events, ['broken', 'closed'])
})
