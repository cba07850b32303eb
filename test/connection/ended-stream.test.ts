import { Duplex } from 'node:stream'
import t from 'tap'
import { Client } from '../../lib/index.js'

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
