import {
  clientBeforeConnect,
  clientConnectError,
  clientConnected,
  clientSendHeaders,
  requestBodyChunkReceived,
  requestBodyChunkSent,
  requestError,
  requestHeaders,
  requestTrailers,
} from './channels.js'
import type { Request } from './messages.js'
import { shownRequest } from './shown-request.js'

/** Writes a debug line of parts; null unless `NODE_DEBUG` contains `sluice`. */
export let debug: ((...parts: unknown[]) => void) | null = null

let asked = false

/** Enables debug lines for requests and connections if `NODE_DEBUG` contains `sluice`. Called by the first dispatcher. */
export function enableNodeDebug(): void {
  if (asked) return
  asked = true
  const write = process.env.NODE_DEBUG ? process.getBuiltinModule?.('node:util')?.debuglog?.('sluice') : null
  if (!write?.enabled) return
  const log = (...parts: unknown[]) => {
    try {
      // One line each: messages of errors may have several.
      write('%s', parts.join(': ').replace(/\s*\n\s*/g, ' '))
    } catch {
      // An abort reason may be any value, even one that does not convert to a string.
    }
  }
  debug = log
  logConnections(log)
  logRequests(log)
}

type Log = (...parts: unknown[]) => void

const since = (time = 0) => `${Math.round(performance.now() - time)} ms`

function logConnections(log: Log): void {
  const started = new Map<number, number>()
  const took = (connection: number) => {
    const time = since(started.get(connection))
    started.delete(connection)
    return time
  }
  clientBeforeConnect.logTo(({ connectParams: { host } }, connection) => {
    started.set(connection, performance.now())
    log(`#${connection} connecting to ${host}`)
  })
  clientConnected.logTo(({ connectParams: { host } }, connection) =>
    log(`#${connection} connected to ${host} in ${took(connection)}`),
  )
  clientConnectError.logTo(({ connectParams: { host }, error }, connection) =>
    log(`#${connection} connection to ${host} failed after ${took(connection)}`, error),
  )
}

interface Sent {
  readonly connection: number
  /** Time in ms at which the request was sent. */
  readonly at: number
  bytesSent: number
  bytesReceived: number
}

function logRequests(log: Log): void {
  const all = new WeakMap<Request, Sent>()
  const logSent = (request: Request, text: string, error: unknown[] = []) => {
    const sent = all.get(request)
    if (sent === undefined) log(`${text} ${named(request)}`, ...error)
    else log(`#${sent.connection} ${text} ${named(request)} after ${since(sent.at)}`, ...error)
  }
  const count = (name: 'bytesSent' | 'bytesReceived') => (message: { request: Request; chunk: { length: number } }) => {
    const sent = all.get(message.request)
    if (sent !== undefined) sent[name] += message.chunk.length
  }
  requestBodyChunkSent.logTo(count('bytesSent'))
  requestBodyChunkReceived.logTo(count('bytesReceived'))
  clientSendHeaders.logTo(({ request, headers }, connection) => {
    all.set(request, { connection, at: performance.now(), bytesSent: headers.length + 2, bytesReceived: 0 })
    log(`#${connection} sent ${named(request)}`)
  })
  requestHeaders.logTo(({ request, response }) => logSent(request, `${response.statusCode} for`))
  requestTrailers.logTo(({ request }) => {
    const { bytesSent, bytesReceived } = all.get(request) as Sent
    logSent(request, 'completed', [`${bytesSent} bytes sent, body of ${bytesReceived} bytes received`])
  })
  requestError.logTo(({ request, error }) => logSent(request, 'failed', [error]))
}

/** Describes a request by method, origin and path, without its query. */
export function named({ origin = '', method, path }: { origin?: string | URL; method: string; path: string }): string {
  // The path of a CONNECT is the host and port of the tunnel.
  return shownRequest({ method, path: origin + (path.startsWith('/') ? path : ` ${path}`) })
}
