import { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import type { BodyInput } from '../../lib/exchange/request.js'
import { type MadeBody, piecesOf, type SourceParts } from './bodies.js'

/**
 * An incoming message that a proxy forwards. Destroying it would close the connection for the proxy's response, so it must be
 * read completely instead.
 */
export function incomingBody(parts: SourceParts): MadeBody {
  const { random, memory, wild } = parts
  const socket = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() })
  const message = new IncomingMessage(socket as Socket)
  Object.assign(message, { method: 'PUT', url: '/', httpVersion: '1.1' })
  const pieces = piecesOf(parts)
  const failsAt = wild && random.chance(0.1) ? random.between(0, pieces.length) : -1
  const stallsAt = parts.stalls ? random.between(0, pieces.length) : -1
  let given = 0
  let stalled = false
  let lost = false
  const give = (): void => {
    if (message.destroyed) return
    if (given === stallsAt) {
      stalled = true
    } else if (given === failsAt) {
      lost = true
      // The client of the proxy has disconnected.
      socket.destroy()
      message.destroy(random.chance(0.5) ? Object.assign(new Error('aborted'), { code: 'ECONNRESET' }) : undefined)
    } else {
      const piece = pieces[given++]
      message.push(piece === undefined ? null : memory.lendToStream(piece))
      if (piece !== undefined) later()
      else message.complete = true
    }
  }
  const later = (): void => parts.arrive(random.spread(0, 50), give)
  later()
  const read = (): boolean => message.readableEnded || (stalled && message.readableFlowing === true)
  return { body: message as BodyInput, streams: true, closed: () => lost || (!socket.destroyed && read()) }
}
