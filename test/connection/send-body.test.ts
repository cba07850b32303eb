import { Duplex } from 'node:stream'
import t from 'tap'
import { Client } from '../../lib/index.js'
import { response } from '../servers/origin.js'

/** A socket that takes all it is given at once, and answers when the body has ended. */
function sink(): Duplex {
  return new Duplex({
    read() {},
    write(chunk: Buffer, _encoding, callback) {
      if (chunk.toString('latin1').endsWith('0\r\n\r\n')) this.push(response('taken'))
      callback()
    },
  })
}

for (const size of [1, 65_536]) {
  t.test(`a body that always has a piece of ${size} more leaves the loop its turns`, async (t) => {
    const client = new Client('http://localhost', { connect: (_options, callback) => callback(null, sink() as never) })
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
