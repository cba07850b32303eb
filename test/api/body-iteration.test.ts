import type { Readable } from 'node:stream'
import * as streams from 'node:stream'
import t from 'tap'
import { BodyReadable } from '../../lib/api/body.js'
import type { BodySource } from '../../lib/api/body-source.js'
import { Client, errors } from '../../lib/index.js'
import { onRequests, rawOrigin } from '../servers/origin.js'

class Source implements BodySource {
  readonly calls: string[] = []
  pause(): void {
    this.calls.push('pause')
  }
  resume(): void {
    this.calls.push('resume')
  }
  abort(): void {
    this.calls.push('abort')
  }
  onStalled(): void {}
  onUsed(): void {}
  onEnd(): void {
    this.calls.push('over')
  }
}

function open(options: { highWaterMark?: number } = {}) {
  const source = new Source()
  return { source, body: new BodyReadable(source, undefined, options.highWaterMark) }
}

// Not declared for Node 20, which has it.
const { isDisturbed } = streams as unknown as { isDisturbed: (stream: Readable) => boolean }

const turn = () => new Promise((resolve) => setImmediate(resolve))

async function rest(pieces: AsyncIterable<unknown>): Promise<string[]> {
  const all: string[] = []
  for await (const piece of pieces) all.push(String(piece))
  return all
}

t.test('for await yields each chunk as it was received', async (t) => {
  const { body, source } = open()
  body.feed(Buffer.from('ab'))
  body.feed(Buffer.alloc(0))
  body.feedCopy(Buffer.from('c'))
  const all = rest(body)
  await turn()
  const reused = Buffer.from('de')
  body.feedCopy(reused)
  reused.fill('!')
  body.feed(Buffer.from('f'))
  await turn()
  body.feed(Buffer.from('g'))
  body.finish()
  t.strictSame(await all, ['ab', 'c', 'de', 'f', 'g'])
  t.strictSame(source.calls, ['over'])
  t.equal(body.bodyUsed, true)
  t.equal(isDisturbed(body), true)
  await new Promise<void>((resolve) => streams.finished(body as Readable, () => resolve()))
  t.equal(body.readableEnded, true)
  t.strictSame(await rest(body), [], 'nothing is left')
  await t.rejects(body.text(), TypeError)
})

t.test('chunks do not share memory with other chunks', async (t) => {
  const { body } = open()
  body.feedCopy(Buffer.from('small'))
  body.finish()
  for await (const piece of body) t.equal((piece as Buffer).buffer.byteLength, 5)
})

t.test('for await over an empty body ends at once', async (t) => {
  const { body } = open()
  const early = rest(body)
  await turn()
  body.finish()
  t.strictSame(await early, [])
  const ended = open()
  ended.body.finish()
  t.strictSame(await rest(ended.body), [])
  t.strictSame(ended.source.calls, ['over'])
})

t.test('a slow consumer pauses its own connection only', async (t) => {
  const { body, source } = open({ highWaterMark: 4 })
  const pieces = body[Symbol.asyncIterator]()
  const first = pieces.next()
  await turn()
  body.feed(Buffer.from('a piece of any length goes to who waits'))
  await first
  t.strictSame(source.calls, [])
  body.feed(Buffer.from('two'))
  body.feed(Buffer.from('three'))
  t.strictSame(source.calls, ['pause'])
  await pieces.next()
  t.strictSame(source.calls, ['pause'], 'still above the limit')
  await pieces.next()
  t.strictSame(source.calls, ['pause', 'resume'])
})

t.test('listeners added before or after an iteration receive end and close', async (t) => {
  for (const early of [true, false]) {
    const { body } = open()
    const events: string[] = []
    const listen = () => body.on('end', () => events.push('end')).on('close', () => events.push('close'))
    if (early) listen()
    body.feed(Buffer.from('x'))
    body.finish()
    t.strictSame(await rest(body), ['x'])
    if (!early) listen()
    await new Promise<void>((resolve) => (body.closed ? resolve() : body.once('close', resolve)))
    t.strictSame(events, ['end', 'close'])
  }
})

t.test('leaving the iteration early destroys the body', async (t) => {
  const { body, source } = open()
  body.feed(Buffer.from('x'))
  for await (const _ of body) break
  t.equal(body.destroyed, true)
  t.ok(source.calls.includes('abort'))
  const thrown = open()
  thrown.body.feed(Buffer.from('x'))
  const bug = new Error('of the consumer')
  const consume = async () => {
    for await (const _ of thrown.body) throw bug
  }
  await t.rejects(consume(), bug)
  t.equal(thrown.body.destroyed, true)
})

t.test('the iteration throws the reason of a failure unchanged', async (t) => {
  const end: Record<string, (body: BodyReadable) => void> = {
    'an error': (body) => body.fail(new Error('reset')),
    'a reason that is no error': (body) => body.cancel('no error'),
    'destroy with an error': (body) => body.destroy(new Error('destroyed')),
    destroy: (body) => body.destroy(),
  }
  const expected = [/reset/, /no error/, /destroyed/, new errors.RequestAbortedError().message]
  for (const [index, [name, breakOff]] of Object.entries(end).entries()) {
    for (const waiting of [true, false]) {
      const { body } = open()
      const pieces = body[Symbol.asyncIterator]()
      body.feed(Buffer.from('x'))
      await pieces.next()
      const next = waiting ? pieces.next() : null
      await turn()
      if (!waiting) body.feed(Buffer.from('what waits is dropped'))
      breakOff(body)
      const reason = await (next ?? pieces.next()).then(
        () => 'nothing',
        (thrown: unknown) => thrown,
      )
      t.match(reason instanceof Error ? reason.message : reason, expected[index], `${name}, waiting: ${waiting}`)
      t.equal((await pieces.next()).done, true)
    }
  }
})

t.test('a body destroyed before its buffered chunks are read fails the iteration', async (t) => {
  const { body, source } = open()
  body.feed(Buffer.from('x'))
  body.feed(Buffer.from('y'))
  body.finish()
  const pieces = body[Symbol.asyncIterator]()
  await pieces.next()
  body.destroy()
  await t.rejects(pieces.next(), { code: 'UND_ERR_ABORTED' })
  t.strictSame(source.calls, ['over'])
})

t.test('two iterations share the chunks', async (t) => {
  const { body } = open()
  const first = body[Symbol.asyncIterator]()
  body.feed(Buffer.from('a'))
  t.equal(String((await first.next()).value), 'a')
  body.feed(Buffer.from('b'))
  body.feed(Buffer.from('c'))
  const all = rest(body)
  await turn()
  const last = first.next()
  await turn()
  body.finish()
  t.strictSame(await all, ['b', 'c'])
  t.equal((await last).done, true)
})

/** Ways to switch to the stream; each returns a list of the events that it receives. */
const turns: Record<string, (body: BodyReadable) => string[]> = {
  'data listener': (body) => listened(body),
  'readable listener': (body) => {
    const received: string[] = []
    body.on('readable', () => {
      for (let piece = body.read(); piece !== null; piece = body.read()) received.push(String(piece))
    })
    return received
  },
  read: (body) => {
    const piece = body.read()
    const received = piece === null ? [] : [String(piece)]
    body.on('data', (next) => received.push(String(next)))
    return received
  },
  unshift: (body) => {
    body.unshift(Buffer.from('<'))
    return listened(body)
  },
  setEncoding: (body) => {
    body.setEncoding('latin1')
    return listened(body)
  },
  'web stream': (body) => {
    const received: string[] = []
    const read = async () => {
      for await (const piece of body.body) received.push(Buffer.from(piece as Uint8Array).toString())
    }
    void read()
    return received
  },
}

function listened(body: Readable): string[] {
  const received: string[] = []
  body.on('data', (piece) => received.push(String(piece)))
  return received
}

for (const [name, turnTo] of Object.entries(turns)) {
  t.test(`the stream yields the rest of a partly iterated body: ${name}`, async (t) => {
    const { body } = open()
    const pieces = body[Symbol.asyncIterator]()
    body.feed(Buffer.from('1'))
    await pieces.next()
    body.feed(Buffer.from('2'))
    const received = turnTo(body)
    body.feed(Buffer.from('3'))
    await turn()
    body.feed(Buffer.from('4'))
    body.finish()
    await new Promise<void>((resolve) => (body.closed ? resolve() : body.once('close', resolve)))
    t.equal(received.join(''), name === 'unshift' ? '<234' : '234')
    t.equal((await pieces.next()).done, true)
  })
}

t.test('the iteration continues after unshift()', async (t) => {
  const { body } = open()
  body.feed(Buffer.from('head,'))
  body.feed(Buffer.from('tail'))
  const pieces = body[Symbol.asyncIterator]()
  const { value } = await pieces.next()
  body.unshift(value)
  body.finish()
  t.equal((await rest(body)).join(''), 'head,tail')
})

t.test('a pending iteration continues on the stream when a listener is added', async (t) => {
  const { body } = open()
  const all = rest(body)
  await turn()
  const received = listened(body)
  body.feed(Buffer.from('x'))
  body.finish()
  await all
  t.strictSame(received, ['x'])
})

t.test('dump() discards the rest of a partly iterated body', async (t) => {
  const { body, source } = open()
  body.feed(Buffer.from('1'))
  await body[Symbol.asyncIterator]().next()
  const dumped = body.dump()
  body.feed(Buffer.from('2'))
  body.finish()
  await dumped
  t.ok(source.calls.includes('over'))
})

t.test('an iteration after listeners were added reads from the stream', async (t) => {
  const { body } = open()
  const received = listened(body)
  body.feed(Buffer.from('x'))
  const all = rest(body)
  body.feed(Buffer.from('y'))
  body.finish()
  await all
  t.equal(received.join(''), 'xy')
})

t.test('a long download is iterated completely, and its connection is reused', async (t) => {
  const length = 3_000_000
  const sent = Buffer.alloc(length, 'abcdefghij')
  const origin = await rawOrigin((socket) =>
    onRequests(socket, () => {
      socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${length}\r\n\r\n`)
      socket.write(sent)
    }),
  )
  const client = new Client(origin.url)
  t.teardown(() => Promise.all([client.destroy(), origin.close()]))
  for (const consume of [
    async (body: Readable) => Buffer.concat((await body.toArray()) as Buffer[]),
    async (body: Readable) => {
      const pieces: Buffer[] = []
      for await (const piece of body) {
        if (pieces.length % 3 === 0) await turn()
        // The receiver of a chunk may transfer or overwrite it.
        const mine = Buffer.from(structuredClone(piece.buffer, { transfer: [piece.buffer] }))
        t.equal(piece.length, 0)
        pieces.push(mine)
      }
      return Buffer.concat(pieces)
    },
  ]) {
    const { body } = await client.request({ path: '/', method: 'GET' })
    t.ok((await consume(body)).equals(sent))
  }
  t.equal(client.stats.running, 0)
})

t.test('copied data is split into chunks of 64 KB, for listeners as well', async (t) => {
  for (const read of [rest, async (body: Readable) => listened(body)]) {
    const { body } = open()
    const all = read(body)
    await turn()
    body.feedCopy(Buffer.alloc(150_000, 'x'))
    await turn()
    body.finish()
    const done = new Promise<void>((resolve) => (body.closed ? resolve() : body.once('close', resolve)))
    await Promise.all([all, done])
    t.strictSame(
      (await all).map(({ length }) => length),
      [65536, 65536, 18928],
    )
  }
})
