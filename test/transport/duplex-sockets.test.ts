import { Duplex } from 'node:stream'
import t from 'tap'
import { Client } from '../../lib/index.js'
import { onRequests, rawOrigin, response } from '../servers/origin.js'
import { Recorder } from '../servers/recorder.js'

/** Duplex that is not a net.Socket. Responds to each request in the same turn, like a test double or a proxy stream. */
class InMemory extends Duplex {
  #text = ''
  readonly #answer: (head: string) => string

  constructor(answer: (head: string) => string) {
    super()
    this.#answer = answer
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: () => void): void {
    this.#text += chunk.toString('latin1')
    for (let end = this.#text.indexOf('\r\n\r\n'); end >= 0; end = this.#text.indexOf('\r\n\r\n')) {
      this.push(this.#answer(this.#text.slice(0, end)))
      this.#text = this.#text.slice(end + 4)
    }
    callback()
  }
}

function clientOver(answer: (head: string) => string, pipelining = 1): Client {
  return new Client('http://memory', {
    pipelining,
    connect: (_options, callback) => queueMicrotask(() => callback(null, new InMemory(answer))),
  })
}

t.test('sends requests over a Duplex that is not a net.Socket', async (t) => {
  const client = clientOver((head) => response(head.split(' ')[1] as string), 3)
  const bodies = ['/a', '/b', '/c', '/d'].map(async (path) =>
    (await client.request({ path, method: 'GET' })).body.text(),
  )
  t.strictSame(await Promise.all(bodies), ['/a', '/b', '/c', '/d'])
  await client.close()
})

t.test('reads a chunk longer than the input buffer, with pauses', async (t) => {
  const big = 'x'.repeat(500_000)
  const client = clientOver(() => response(big))
  const recorder = new Recorder((name, controller) => {
    if (name !== 'data') return
    controller.pause()
    setImmediate(() => controller.resume())
  })
  client.dispatch({ path: '/', method: 'GET' }, recorder)
  await recorder.ended
  t.equal(recorder.error, null)
  t.equal(recorder.body, big)
  await client.close()
})

t.test('two clients receive responses while the other one is reading', async (t) => {
  const inner = clientOver(() => response('i'.repeat(70_000)))
  const inside: Recorder[] = []
  const outer = clientOver(() => response('o'.repeat(200_000)))
  const recorder = new Recorder((name) => {
    if (name !== 'data') return
    const nested = new Recorder()
    inside.push(nested)
    inner.dispatch({ path: '/', method: 'GET' }, nested)
  })
  outer.dispatch({ path: '/', method: 'GET' }, recorder)
  await recorder.ended
  await Promise.all(inside.map(({ ended }) => ended))
  t.equal(recorder.body, 'o'.repeat(200_000))
  for (const nested of inside) t.equal(nested.body, 'i'.repeat(70_000))
  await Promise.all([inner.close(), outer.close()])
})

t.test('data of one socket does not overwrite the input buffer while another is being parsed', async (t) => {
  const wires: Duplex[] = []
  const connect = (_options: unknown, callback: (error: null, socket: never) => void) => {
    const wire = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() })
    wires.push(wire)
    callback(null, wire as never)
  }
  const [one, other] = [1, 2].map(() => new Client('http://memory', { pipelining: 2, connect })) as [Client, Client]
  const get = { path: '/', method: 'GET' } as const
  const first = new Recorder((name) => {
    if (name === 'data') wires[1]?.push(response('other'.repeat(50)))
  })
  one.dispatch(get, first)
  const second = new Recorder()
  one.dispatch(get, second)
  const third = new Recorder()
  other.dispatch(get, third)
  // After a blocked event loop, sockets are polled before timers run.
  do await new Promise(setImmediate)
  while (one.stats.running < 2 || other.stats.running < 1)
  wires[0]?.push(`${response('first')}${response('second')}`)
  await Promise.all([first.ended, second.ended, third.ended])
  t.strictSame([first.body, second.body, third.body], ['first', 'second', 'other'.repeat(50)])
  await Promise.all([one.destroy(), other.destroy()])
})

t.test('upgrades a connection over a Duplex', async (t) => {
  const client = clientOver(() => 'HTTP/1.1 101 S\r\nupgrade: x\r\n\r\nrest')
  const { socket } = await client.upgrade({ path: '/' })
  const [chunk] = await new Promise<[Buffer]>((resolve) => socket.once('data', (data) => resolve([data])))
  t.equal(String(chunk), 'rest')
  socket.destroy()
  await client.close()
})

t.test('passes on data longer than the input buffer that follows an upgrade response', async (t) => {
  const rest = Array.from({ length: 40_000 }, (_, index) => `${index},`).join('')
  const client = clientOver(() => `HTTP/1.1 101 S\r\nupgrade: x\r\n\r\n${rest}`)
  const { socket } = await client.upgrade({ path: '/' })
  let text = ''
  await new Promise<void>((resolve) => {
    socket.on('data', (chunk) => {
      text += chunk
      if (text.length >= rest.length) resolve()
    })
  })
  t.ok(rest.length > 3 * 65_536)
  t.ok(text === rest, 'in the order received')
  socket.destroy()
  await client.close()
})

t.test('handles the end of a Duplex', async (t) => {
  const origin = await rawOrigin((socket) => {
    onRequests(socket, () => socket.end(`HTTP/1.1 200 OK\r\n\r\n${'y'.repeat(300_000)}`))
  })
  const net = await import('node:net')
  const client = new Client(origin.url, {
    connect(options, callback) {
      const socket = net.connect(Number(options.port), options.hostname, () => callback(null, socket))
    },
  })
  const { body } = await client.request({ path: '/', method: 'GET' })
  let length = 0
  for await (const chunk of body) {
    length += chunk.length
    await new Promise(setImmediate)
  }
  t.equal(length, 300_000)
  await client.close()
  await origin.close()
})
