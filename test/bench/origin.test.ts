import t from 'tap'
import { RequestCounter } from '../../bench/origin/request-counter.js'
import { pattern } from '../../bench/origin/scenarios.js'
import fc from '../property.js'

const get = 'GET / HTTP/1.1\r\nhost: localhost\r\n\r\n'

function post(size: number): Buffer {
  const head = `POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: ${size}\r\n\r\n`
  return Buffer.concat([Buffer.from(head), pattern(size)])
}

function readInParts(counter: RequestCounter, bytes: Buffer, cuts: readonly number[]): number {
  const ends = [...cuts.map((cut) => cut % bytes.length), bytes.length].sort((a, b) => a - b)
  let count = 0
  let from = 0
  for (const end of ends) {
    if (end > from) count += counter.read(bytes.subarray(from, end))
    from = end
  }
  return count
}

t.test('counts requests, however they are split into reads', async () => {
  const cuts = fc.array(fc.nat(), { maxLength: 6 })
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 20 }), fc.constantFrom(0, 1, 30, 1024), cuts, (total, size, cuts) => {
      const one = size === 0 ? Buffer.from(get) : post(size)
      const counter = new RequestCounter(size)
      const all = Buffer.concat(Array.from({ length: total }, () => one))
      // Twice: the second time the length of a request is known.
      return readInParts(counter, all, cuts) === total && readInParts(counter, all, cuts) === total
    }),
  )
})

t.test('rejects requests that differ from the expected one', async (t) => {
  const spoilt = post(1024)
  spoilt[spoilt.length - 1] = 0
  t.equal(new RequestCounter(1024).read(spoilt), -1, 'a wrong byte')
  t.equal(new RequestCounter(1024).read(post(1023)), -1, 'too short')
  t.equal(new RequestCounter(0).read(post(1)), -1, 'unexpected body')
  t.equal(new RequestCounter(1024).read(Buffer.from('POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n')), -1)
  const counter = new RequestCounter(1024)
  t.equal(counter.read(post(1024)), 1)
  t.equal(counter.read(spoilt), -1, 'wrong byte after a correct request')
})
