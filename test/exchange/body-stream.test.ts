import { once } from 'node:events'
import { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import t from 'tap'
import { BodyStream } from '../../lib/exchange/body-stream.js'

/** A request as a server receives it, before any of its body. */
function incomingRequest(): IncomingMessage {
  const socket = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() })
  return Object.assign(new IncomingMessage(socket as Socket), { httpVersion: '1.1', method: 'POST' })
}

const listener = { onChunk: () => true, onSourceEnd() {}, onSourceError() {} }

for (const ticks of [0, 1, 2, 3, 4]) {
  t.test(
    `reads an incoming request to its end if it is stopped ${ticks} microtasks after it started to flow`,
    async (t) => {
      const request = incomingRequest()
      const body = BodyStream.of(request)
      await new Promise(setImmediate)
      body.start(listener)
      for (let left = ticks; left > 0; left--) await null
      body.stop(new Error('enough'))
      await new Promise(setImmediate)
      request.push('all that comes')
      request.complete = true
      request.push(null)
      await once(request, 'end')
      t.notOk(request.socket.destroyed)
    },
  )
}
