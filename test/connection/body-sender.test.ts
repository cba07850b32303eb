import { Duplex } from 'node:stream'
import t from 'tap'
import { Client } from '../../lib/index.js'
import { response } from '../servers/origin.js'

/** A socket that accepts all data at once, and responds when the body has ended. */
function sink(): Duplex {
  return new Duplex({
    read() {},
    write(chunk: Buffer, _encoding, callback) {
      if (chunk.toString('latin1').endsWith('0\r\n\r\n')) this.push(response('taken'))
      callback()
    },
  })
}

/** A socket whose server records what it receives, and responds to the first data. */
class Peer extends Duplex {
  received = ''
  readonly #first: string

  constructor(first = '') {
    super()
    this.#first = first
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: string, callback: () => void): void {
    if (this.received === '' && this.#first !== '') this.push(this.#first)
    this.received += chunk.toString('latin1')
    callback()
  }
}

function over(socket: Duplex): Client {
  return new Client('http://localhost', { connect: (_options, callback) => callback(null, socket as never) })
}

for (const size of [1, 65_536]) {
  t.test(`a body source that always has another chunk of ${size} does not block the event loop`, async (t) => {
    const client = over(sink())
    let turns = 0
    const count = () => {
      turns++
      running = setImmediate(count)
    }
    let running = setImmediate(count)
    let most = 0
    const piece = Buffer.alloc(size, 'x')
    function* pieces() {
      for (let sent = 0, seen = turns, since = 0; sent < 10_000; sent++, since++) {
        if (turns !== seen) [seen, since] = [turns, 0]
        most = Math.max(most, since)
        yield piece
      }
    }
    const { body } = await client.request({ path: '/', method: 'POST', body: pieces() })
    t.equal(await body.text(), 'taken')
    t.ok(most <= 1024, `${most} pieces in a turn at most`)
    clearImmediate(running)
    await client.close()
  })
}

t.test('closes a generator that waits for the socket when its request is aborted', async (t) => {
  // Accepts the first write and never calls back.
  const full = new Duplex({ read() {}, write() {} })
  const client = over(full)
  const stop = new AbortController()
  let yielded = 0
  let finished = () => {}
  const ended = new Promise<void>((resolve) => (finished = resolve))
  function* pieces() {
    try {
      for (;;) {
        yielded++
        yield Buffer.alloc(65_536)
      }
    } finally {
      finished()
    }
  }
  const { signal } = stop
  const failed = client.request({ path: '/', method: 'POST', body: pieces(), signal }).catch((error) => error)
  while (!full.writableNeedDrain) await new Promise(setImmediate)
  const before = yielded
  for (let turn = 0; turn < 10; turn++) await new Promise(setImmediate)
  t.equal(yielded, before, 'reads no more while the socket is full')
  stop.abort()
  t.match(await failed, { name: 'AbortError' })
  await ended
  await client.destroy()
})

t.test('does not send a chunk that is yielded after the server has responded', async (t) => {
  const peer = new Peer('HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\n')
  const client = over(peer)
  let goOn = () => {}
  const late = new Promise<void>((resolve) => (goOn = resolve))
  let finished = () => {}
  const ended = new Promise<void>((resolve) => (finished = resolve))
  async function* pieces() {
    try {
      yield 'first'
      await late
      yield 'late'
    } finally {
      finished()
    }
  }
  const { statusCode, body } = await client.request({ path: '/', method: 'POST', body: pieces() })
  t.equal(statusCode, 413)
  goOn()
  await ended
  await new Promise(setImmediate)
  t.match(peer.received, /first/)
  t.notMatch(peer.received, /late/)
  peer.push('ok')
  t.equal(await body.text(), 'ok')
  await client.close()
})

t.test('the error for a request body shorter than its content-length states both lengths', async (t) => {
  const client = over(new Peer())
  async function* pieces() {
    yield 'abc'
  }
  const request = client.request({ path: '/', method: 'POST', headers: { 'content-length': '10' }, body: pieces() })
  const message = 'Request body has only 3 bytes, but content-length is 10'
  await t.rejects(request, { code: 'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH', message })
  await client.close()
})

t.test('a body longer than its content-length does not become a complete request', async (t) => {
  const peer = new Peer()
  const client = over(peer)
  async function* pieces() {
    yield '12345'
    await new Promise(setImmediate)
    yield '67890'
    await new Promise(setImmediate)
  }
  const headers = { 'content-length': '8' }
  const request = client.request({ path: '/', method: 'POST', headers, body: pieces() })
  const message = 'Request body has at least 10 bytes, but content-length is 8'
  await t.rejects(request, { code: 'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH', message })
  await new Promise(setImmediate)
  t.ok(peer.received.endsWith('\r\n\r\n12345'), peer.received)
  await client.close()
})
