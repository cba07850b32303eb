import { once } from 'node:events'
import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Fate, Source } from './sources.js'

/** Time in ms within which the caller of a proxy must receive its response. */
const TIMEOUT = 5000

/**
 * An incoming request that a reverse proxy forwards, over a connection of its own. It must be read completely, as destroying it
 * would close the connection that its caller receives a response on. `fails`: its caller disconnects.
 */
export async function incoming(given: Buffer, fate: Fate): Promise<Source> {
  const server = http.createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const caller = http.request({ host: '127.0.0.1', port, method: 'PUT', agent: false })
  caller.on('error', () => {})
  const second = given.subarray(given.length / 2)
  caller.write(given.subarray(0, given.length / 2))
  const [message, response] = (await once(server, 'request')) as [IncomingMessage, ServerResponse]
  if (fate === 'ends') caller.end(second)
  if (fate === 'fails') setImmediate(() => caller.destroy())
  const closed = () =>
    fate === 'fails'
      ? message.destroyed
      : message.readableEnded || (fate === 'stalls' && message.readableFlowing === true)
  const finish = async () => {
    try {
      if (fate === 'fails') return null
      if (fate === 'stalls') caller.end(second)
      response.end('forwarded')
      const timer = new AbortController()
      const late = sleep(TIMEOUT, null, { signal: timer.signal }).catch(() => null)
      const answer = await Promise.race([once(caller, 'response').catch(() => null), late])
      timer.abort()
      return answer === null ? 'the caller of a forwarded request received no response' : null
    } finally {
      caller.destroy()
      server.closeAllConnections()
      server.close()
    }
  }
  return { body: message, closed, finish, codes: fate === 'fails' ? ['ECONNRESET'] : [] }
}
