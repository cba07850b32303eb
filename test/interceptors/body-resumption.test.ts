import t from 'tap'
import { BodyResumption, parseContentRange, type ResponseStart } from '../../lib/interceptors/body-resumption.js'

function head(statusCode: number, headers: Record<string, string | string[]>, rawHeaders?: string[]): ResponseStart {
  const sent = rawHeaders ?? Object.entries(headers).flat(2)
  return { statusCode, headers, statusMessage: '', rawHeaders: sent, decoded: false }
}

const whole = { etag: '"one"', 'content-length': '10' }

function after(taken: number, first = head(200, whole)): BodyResumption {
  const resumption = BodyResumption.of('GET', first) as BodyResumption
  resumption.count(taken)
  return resumption
}

t.test('a response whose raw headers are an object can be resumed', async (t) => {
  // The type of undici allows an object.
  const raw = { 'Content-Length': '10' } as never
  t.not(BodyResumption.of('GET', head(200, whole, raw)), null)
})

t.test('parses content-range', async (t) => {
  t.strictSame(parseContentRange('bytes 4-9/10'), { first: 4, last: 9, total: 10 })
  t.strictSame(parseContentRange('Bytes 0-0/*'), { first: 0, last: 0, total: null })
  const wrong = [
    'bytes 4-9',
    'bytes 4-/10',
    'bytes -9/10',
    'bytes */10',
    'bytes 9-4/10',
    'bytes 4-10/10',
    'bytes 4-9/10, 11-12/13',
    'items 4-9/10',
    'bytes=4-9/10',
    'bytes  4-9/10',
    'bytes 4-9/1e1',
    'bytes +4-9/10',
    'bytes 4-9/10 ',
    '',
    'bytes 4-9999999999999999/*',
    'bytes 4-9/9999999999999999',
    ['bytes 4-9/10', 'bytes 4-9/10'],
    undefined,
  ]
  for (const value of wrong) t.equal(parseContentRange(value), null, String(value))
})

t.test('resumes only bodies of GET with a strong etag and a known range', async (t) => {
  t.ok(BodyResumption.of('GET', head(200, whole)))
  t.ok(BodyResumption.of('GET', head(200, { etag: '""' })), 'a body of unknown length')
  t.ok(BodyResumption.of('GET', head(200, { etag: 'one' })), 'a tag without quotes')
  t.ok(BodyResumption.of('GET', head(206, { ...whole, 'content-range': 'bytes 10-19/*' })))
  for (const method of ['HEAD', 'PUT', 'POST', 'QUERY'])
    t.equal(BodyResumption.of(method, head(200, whole)), null, method)
  for (const status of [201, 203, 204, 226, 304, 404]) t.equal(BodyResumption.of('GET', head(status, whole)), null)
  for (const etag of ['W/"one"', '*', '"o"ne"', '"one', '"o\tne"', ['"one"', '"one"'], '"one", "two"']) {
    t.equal(BodyResumption.of('GET', head(200, { ...whole, etag })), null, String(etag))
  }
  t.equal(BodyResumption.of('GET', head(200, { 'content-length': '10' })), null, 'no etag')
  t.equal(BodyResumption.of('GET', head(200, { ...whole, 'content-length': '1x' })), null)
  t.equal(BodyResumption.of('GET', head(206, whole)), null, 'a 206 without content-range')
  t.equal(
    BodyResumption.of('GET', head(206, { ...whole, 'content-range': 'bytes 0-3/10' })),
    null,
    'a body of another length',
  )
  const decoded = head(200, { etag: '"one"' }, ['ETag', '"one"', 'Content-Encoding', 'gzip', 'Content-Length', '10'])
  t.equal(BodyResumption.of('GET', decoded), null, 'an interceptor decodes the body')
})

t.test('requests the rest with range and if-match', async (t) => {
  t.strictSame(after(4).withRange(null), { range: 'bytes=4-9', 'if-match': '"one"' })
  t.strictSame(after(3, head(200, { etag: '"one"' })).withRange(null), { range: 'bytes=3-', 'if-match': '"one"' })
  const part = head(206, { etag: '"one"', 'content-range': 'bytes 20-29/100' })
  const fields = { Range: 'bytes=20-29', 'If-Range': '"one"', 'if-match': '"one", "two"', accept: ['a', 'b'] }
  const rest = after(5, part)
  t.strictSame(rest.withRange(fields), { accept: ['a', 'b'], range: 'bytes=25-29', 'if-match': '"one"' }, 'an object')
  const flat = ['range', 'bytes=20-29', 'accept', 'a']
  t.strictSame(rest.withRange(flat), ['range', 'bytes=25-29', 'if-match', '"one"', 'accept', 'a'], 'a flat array')
})

t.test('accepts only the rest of the same representation', async (t) => {
  const rest = { etag: '"one"', 'content-range': 'bytes 4-9/10' }
  t.equal(after(4).verify(head(206, rest)), null)
  t.equal(after(4).verify(head(206, { ...rest, 'content-length': '6' })), null)
  t.equal(after(0).verify(head(200, whole)), null, 'the whole body if no byte was delivered')
  const open = head(200, { etag: '"one"' })
  t.equal(after(4, open).verify(head(206, rest)), null)
  const gzip = head(200, { ...whole, 'content-encoding': 'gzip' })
  t.equal(after(4, gzip).verify(head(206, { ...rest, 'content-encoding': 'gzip' })), null)
  const part = head(206, { etag: '"one"', 'content-range': 'bytes 20-29/*' })
  t.equal(after(4, part).verify(head(206, { ...rest, 'content-range': 'bytes 24-29/*' })), null)
  t.equal(after(4, part).verify(head(206, { ...rest, 'content-range': 'bytes 24-29/100' })), null)
  t.match(after(4, part).verify(head(206, { ...rest, 'content-range': 'bytes 24-30/100' })), /content-range/)
  t.match(after(0, part).verify(head(200, whole)), /200/)

  const verified = (change: Record<string, string | string[]>, status = 206) =>
    after(4).verify(head(status, { ...rest, ...change }))
  for (const status of [200, 204, 304, 404, 412, 416]) t.match(verified({}, status), String(status))
  t.equal(verified({ 'content-range': 'bytes 4-9/*' }), null, 'the total size may be unknown')
  for (const range of ['3-9/10', '5-9/10', '4-8/10', '4-9/11', '4-8/*', '4-10/11', '0-9/10', '*/10']) {
    t.match(verified({ 'content-range': `bytes ${range}` }), /content-range/, range)
  }
  t.match(verified({ 'content-range': ['bytes 4-9/10', 'bytes 4-9/10'] }), /content-range/)
  t.match(after(4).verify(head(206, { etag: '"one"' })), /content-range/)
  for (const length of ['5', '7', '0', 'x', ['6', '6']])
    t.match(verified({ 'content-length': length }), /content-range/)
  for (const etag of ['"two"', 'W/"one"', ['"one"', '"one"']]) t.match(verified({ etag }), /etag/)
  t.match(after(4).verify(head(206, { 'content-range': 'bytes 4-9/10' })), /etag/)
  t.match(verified({ 'content-encoding': 'gzip' }), /content-encoding/)
  t.match(after(4, gzip).verify(head(206, rest)), /content-encoding/)
  t.match(after(4, open).verify(head(206, { ...rest, 'content-range': 'bytes 4-8/10' })), /content-range/)
  t.match(after(4, open).verify(head(206, { ...rest, 'content-range': 'bytes 4-9/*' })), /content-range/)
  t.match(after(0, open).verify(head(200, { etag: '"one"' })), /content-range/, 'no content-length')
})

t.test('counts delivered bytes up to the end of the range', async (t) => {
  const resumption = after(4)
  t.notOk(resumption.complete)
  t.ok(resumption.canResume)
  t.ok(resumption.count(6))
  t.ok(resumption.complete)
  t.notOk(resumption.canResume, 'a complete body is not resumed')
  t.notOk(resumption.count(1))
  const surplus = after(4)
  t.notOk(surplus.count(7))
  t.notOk(surplus.canResume, 'a body that is too long is not resumed')
  const open = after(4, head(200, { etag: '"one"' }))
  t.ok(open.complete && open.canResume)
  t.equal(open.verify(head(206, { etag: '"one"', 'content-range': 'bytes 4-9/10' })), null)
  t.notOk(open.complete, 'incomplete, as the total size is now known')
  t.ok(open.count(2))
  t.strictSame(open.withRange(null), { range: 'bytes=6-9', 'if-match': '"one"' })
})
