import { Readable, Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import t from 'tap'
import { BodyReadable } from '../../lib/api/body.js'
import type { BodySource } from '../../lib/api/body-source.js'
import { Client } from '../../lib/index.js'
import { onRequests, rawOrigin } from '../servers/origin.js'

class Source implements BodySource {
  readonly calls: string[] = []
  pause(): void {
    this.calls.push('pause')
  }
  resume(): void {
    this.calls.push('resume')
  }
  abort(reason: Error): void {
    this.calls.push(`abort ${reason.name}`)
  }
  onStalled(): void {
    this.calls.push('stalled')
  }
  onUsed(): void {
    this.calls.push('used')
  }
  onEnd(): void {
    this.calls.push('over')
  }
}

function bodyOf(pieces: (string | Buffer)[], contentType = ''): BodyReadable {
  const body = new BodyReadable(new Source(), { 'content-type': contentType })
  for (const piece of pieces) body.feed(Buffer.from(piece))
  body.finish()
  return body
}

t.test('a body is read whole in each format', async (t) => {
  t.equal(await bodyOf(['\ufeffhé', 'llo']).text(), 'héllo')
  t.equal(await bodyOf([]).text(), '')
  t.strictSame(await bodyOf(['{"a":', '1}']).json(), { a: 1 })
  t.strictSame(Buffer.from(await bodyOf(['a', 'b']).bytes()).toString(), 'ab')
  t.strictSame(Buffer.from(await bodyOf(['a', 'b']).arrayBuffer()).toString(), 'ab')
  const blob = await bodyOf(['xyz'], 'text/x').blob()
  t.equal(blob.type, 'text/x')
  t.equal(await blob.text(), 'xyz')
  const form = await bodyOf(['a=1&b=2'], 'application/x-www-form-urlencoded').formData()
  t.equal(form.get('b'), '2')
  await t.rejects(bodyOf([]).json(), SyntaxError)
  await t.rejects(bodyOf(['x'], 'text/plain').formData(), TypeError)
})

t.test('a body can be read whole only once', async (t) => {
  const body = bodyOf(['x'])
  t.equal(body.bodyUsed, false)
  await body.text()
  t.equal(body.bodyUsed, true)
  await t.rejects(body.json(), TypeError)
  const streamed = bodyOf(['x'])
  for await (const chunk of streamed) t.equal(String(chunk), 'x')
  await t.rejects(streamed.text(), TypeError)
  const flowing = bodyOf(['x'])
  flowing.on('data', () => {})
  t.equal(await flowing.text(), 'x', 'a body that flows to listeners can be read whole once')
  await t.rejects(flowing.text(), TypeError)
  const web = bodyOf(['x'])
  t.equal(web.body, web.body)
  web.body.getReader()
  await t.rejects(web.text(), TypeError)
})

t.test('a body works as a Readable', async (t) => {
  const body = new BodyReadable(new Source(), undefined, 4)
  t.ok(body instanceof Readable)
  body.setEncoding('utf8')
  let text = ''
  const done = pipeline(
    body,
    new Writable({
      decodeStrings: false,
      write(chunk, _encoding, callback) {
        text += chunk
        setImmediate(callback)
      },
    }),
  )
  for (let i = 0; i < 20; i++) {
    body.feed(Buffer.from(`é${i},`))
    await new Promise(setImmediate)
  }
  body.finish()
  await done
  t.equal(text, Array.from({ length: 20 }, (_, i) => `é${i},`).join(''))
  const ended = bodyOf(['tail'])
  const order: string[] = []
  ended.on('end', () => order.push('end')).on('close', () => order.push('close'))
  await ended.text()
  await new Promise<void>((resolve) => ended.once('close', resolve))
  t.strictSame(order, ['end', 'close'], 'listeners receive end and close although text() bypasses the stream')
  const late = bodyOf(['x'])
  await late.text()
  for await (const _ of late) t.fail('nothing is left')
})

t.test('a full buffer pauses the source until data is read', async (t) => {
  const source = new Source()
  const body = new BodyReadable(source, undefined, 10)
  body.feed(Buffer.alloc(6))
  t.strictSame(source.calls, [])
  body.feed(Buffer.alloc(6))
  body.feed(Buffer.alloc(6))
  t.strictSame(source.calls, ['pause', 'stalled'])
  const reader = body[Symbol.asyncIterator]()
  let read = 0
  while (read < 18) read += (await reader.next()).value.length
  await new Promise(setImmediate)
  t.strictSame(source.calls, ['pause', 'stalled', 'used', 'resume'])
  body.finish()
  t.equal((await reader.next()).done, true)
  const whole = new BodyReadable(new Source(), undefined, 10)
  whole.feed(Buffer.alloc(20))
  const bytes = whole.bytes()
  whole.feed(Buffer.alloc(20))
  whole.finish()
  t.equal((await bytes).length, 40)
})

t.test('text() returns the rest after a part was read as a stream', async (t) => {
  const body = new BodyReadable(new Source())
  body.feed(Buffer.from('abc'))
  body.once('readable', () => {})
  await new Promise(setImmediate)
  t.equal(body.readableLength, 3)
  const text = body.text()
  body.feed(Buffer.from('def'))
  body.finish()
  t.equal(await text, 'abcdef')
})

t.test('destroying a body before its end aborts the request', async (t) => {
  const source = new Source()
  const body = new BodyReadable(source)
  body.destroy()
  t.strictSame(source.calls, ['abort AbortError', 'over'])
  await t.rejects(body.text(), { name: 'AbortError' })
  const complete = new Source()
  const whole = new BodyReadable(complete)
  whole.finish()
  whole.destroy()
  t.strictSame(complete.calls, ['over'])
  const reading = new BodyReadable(new Source())
  const text = reading.text()
  reading.fail(new Error('broken'))
  reading.fail(new Error('again'))
  await t.rejects(text, { message: 'broken' })
  const listening = new BodyReadable(new Source())
  const error = new Promise((resolve) => listening.once('error', resolve))
  listening.resume()
  listening.fail(new Error('failed'))
  t.match(await error, { message: 'failed' })
})

t.test('an unread body fails without an uncaught exception', async (t) => {
  const body = new BodyReadable(new Source())
  body.feed(Buffer.from('x'))
  body.fail(new Error('unseen'))
  await new Promise(setImmediate)
  await t.rejects(body.text(), { message: 'unseen' })
})

t.test('dump() discards a body up to its limit, and destroys it beyond', async (t) => {
  const source = new Source()
  const body = new BodyReadable(source)
  body.feed(Buffer.alloc(10))
  const dumped = body.dump()
  body.feed(Buffer.alloc(10))
  body.finish()
  await dumped
  await body.dump()
  t.notOk(source.calls.includes('abort AbortError'))
  const large = new Source()
  const long = new BodyReadable(large)
  long.feed(Buffer.alloc(10))
  await long.dump({ limit: 5 })
  t.ok(large.calls.includes('abort AbortError'), 'above the limit, the request is aborted')
  await long.dump()
  const abort = new AbortController()
  const waiting = new BodyReadable(new Source()).dump({ signal: abort.signal })
  abort.abort(new Error('stop'))
  await t.rejects(waiting, { message: 'stop' })
  await t.rejects(new BodyReadable(new Source()).dump({ signal: abort.signal }), { message: 'stop' })
  const failing = new BodyReadable(new Source())
  const settled = failing.dump()
  failing.fail(new Error('x'))
  await settled
})

t.test('dump() destroys a body at once if its content-length exceeds the limit', async (t) => {
  const source = new Source()
  const announced = () => new BodyReadable(source, { 'content-length': '131073' })
  const body = announced()
  body.feed(Buffer.alloc(10))
  await body.dump()
  t.ok(body.destroyed)
  t.ok(source.calls.includes('abort AbortError'), 'the request is aborted')
  const whole = announced()
  whole.finish()
  await whole.dump()
  t.notOk(whole.destroyed, 'a complete body is not destroyed, as for HEAD')
  const within = announced()
  const dumped = within.dump({ limit: 131073 })
  within.finish()
  await dumped
  t.equal(source.calls.filter((call) => call === 'abort AbortError').length, 1)
})

t.test('dump() works on a body that was read, dumped or flows', async (t) => {
  const taken = new BodyReadable(new Source())
  const text = taken.text()
  const dumps = Promise.all([taken.dump(), taken.dump()])
  taken.feed(Buffer.from('abc'))
  taken.finish()
  t.equal(await text, 'abc')
  await dumps
  await taken.dump()
  const flowing = new BodyReadable(new Source())
  let seen = ''
  flowing.on('data', (chunk) => {
    seen += chunk
  })
  flowing.feed(Buffer.from('abc'))
  await new Promise(setImmediate)
  const dumped = flowing.dump(null)
  flowing.feed(Buffer.from('def'))
  flowing.finish()
  await dumped
  t.equal(seen, 'abcdef', 'existing listeners receive the rest')
  const stopped = new BodyReadable(new Source())
  const broken = stopped.dump()
  stopped.fail(new Error('cut'))
  await broken
  const strict = new BodyReadable(new Source())
  await t.rejects(strict.dump({ limit: 'x' as never }), { code: 'UND_ERR_INVALID_ARG', message: /limit/ })
  await t.rejects(strict.dump({ signal: 5 as never }), { code: 'UND_ERR_INVALID_ARG', message: /signal/ })
})

t.test('bytes() and arrayBuffer() return memory that contains no other data', async (t) => {
  const pooled = Buffer.from('abcdef')
  t.ok(pooled.buffer.byteLength > 6, 'the memory comes from a pool')
  const body = new BodyReadable(new Source())
  body.feed(pooled)
  body.finish()
  const bytes = await body.bytes()
  t.equal(bytes.buffer.byteLength, 6)
  t.equal(Buffer.from(bytes).toString(), 'abcdef')
  t.equal((await bodyOf(['abc', 'def']).bytes()).buffer.byteLength, 6)
})

t.test('text() after a decoded part keeps characters that are split between chunks', async (t) => {
  const whole = Buffer.from('aä€𝄞z')
  for (let at = 1; at < whole.length; at++) {
    const body = new BodyReadable(new Source())
    body.setEncoding('utf8')
    body.once('readable', () => {})
    body.feed(whole.subarray(0, at))
    await new Promise(setImmediate)
    const text = body.text()
    body.feed(whole.subarray(at))
    body.finish()
    t.equal(await text, 'aä€𝄞z', `cut at ${at}`)
  }
})

t.test('a failed body without error listener does not end the process', async (t) => {
  for (const use of [(body: BodyReadable) => body.on('data', () => {}), (body: BodyReadable) => body.resume()]) {
    const body = new BodyReadable(new Source())
    use(body)
    body.feed(Buffer.from('abc'))
    await new Promise(setImmediate)
    const closed = new Promise((resolve) => body.on('close', resolve))
    body.fail(new Error('cut'))
    await closed
    t.match(body.errored, { message: 'cut' })
  }
})

t.test('a listener receives the error of a body that fails with its first bytes', async (t) => {
  const origin = await rawOrigin((socket) =>
    onRequests(socket, () => socket.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n')),
  )
  for (const parser of ['wasm', 'js'] as const) {
    const client = new Client(origin.url, { parser })
    const ask = async () => (await client.request({ path: '/', method: 'GET' })).body
    const events: string[] = []
    const body = await ask()
    for (const event of ['data', 'end', 'error', 'close']) {
      body.on(event, (value) => events.push(`${event} ${value instanceof Error ? Object(value).code : value}`))
    }
    await new Promise((resolve) => body.once('close', resolve))
    t.strictSame(events, ['data abc', 'error HPE_INVALID_CHUNK_SIZE', 'close undefined'])
    await t.rejects((await ask()).text(), { code: 'HPE_INVALID_CHUNK_SIZE' })
    const pieces: string[] = []
    const iterate = async () => {
      for await (const piece of await ask()) pieces.push(String(piece))
    }
    await t.rejects(iterate(), { code: 'HPE_INVALID_CHUNK_SIZE' })
    t.strictSame(pieces, ['abc'])
    const web = (await ask()).body.getReader()
    await t.rejects(
      async () => {
        while (!(await web.read()).done);
      },
      { code: 'HPE_INVALID_CHUNK_SIZE' },
    )
    await (await ask()).dump()
    await client.close()
  }
  await origin.close()
})

t.test('a listener added after destroy() in the same tick receives the error', async (t) => {
  const body = new BodyReadable(new Source())
  body.destroy()
  const error = await new Promise((resolve) => body.once('error', resolve))
  t.match(error, { code: 'UND_ERR_ABORTED' })
})

t.test('a second dump() applies its limit too', async (t) => {
  for (const flows of [false, true]) {
    for (const limits of [
      [100, 5],
      [5, 100],
    ]) {
      const body = new BodyReadable(new Source())
      if (flows) body.on('data', () => {})
      const dumps = limits.map((limit) => body.dump({ limit }))
      body.feed(Buffer.from('abcde'))
      await new Promise(setImmediate)
      t.notOk(body.destroyed, `${limits} ${flows}: within both limits`)
      body.feed(Buffer.from('f'))
      t.ok(body.destroyed, `${limits} ${flows}: beyond the lower one`)
      await Promise.all(dumps)
    }
  }
})

t.test('listeners added in the turn of dump() receive the body', async (t) => {
  for (const event of ['data', 'readable']) {
    const body = bodyOf(['abc', 'def'])
    let seen = ''
    if (event === 'data') body.on('data', (chunk) => (seen += chunk))
    else body.on('readable', () => (seen += body.read() ?? ''))
    await body.dump()
    t.equal(seen, 'abcdef', event)
  }
})

t.test('a body with an encoding is read whole behind data that was put back', async (t) => {
  for (const piece of ['text', Buffer.from('text')]) {
    const body = bodyOf(['h\u00e9', 'llo'])
    body.setEncoding('utf8')
    body.unshift(piece)
    t.equal(await body.text(), 'texth\u00e9llo')
  }
  const hex = bodyOf(['b'])
  hex.setEncoding('hex')
  hex.unshift(Buffer.from('a'))
  t.equal(await hex.text(), '6162')
  const late = bodyOf(['b'])
  late.unshift('a')
  late.setEncoding('utf8')
  t.strictSame(Buffer.from(await late.bytes()).toString(), 'ab')
})
