import {
  clientBeforeConnect,
  clientConnectError,
  clientConnected,
  clientSendHeaders,
  requestError,
  requestHeaders,
  type Topic,
} from './channels.js'
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
      write('%s', parts.join(': '))
    } catch {
      // An abort reason may be any value, even one that does not convert to a string.
    }
  }
  const on = <Message>(topic: Topic<Message>, partsOf: (message: Message) => unknown[]) =>
    topic.logTo((message) => log(...partsOf(message)))
  debug = log
  on(clientBeforeConnect, ({ connectParams: { host } }) => [`connecting to ${host}`])
  on(clientConnected, ({ connectParams: { host } }) => [`connected to ${host}`])
  on(clientConnectError, ({ connectParams: { host }, error }) => [`connection to ${host} failed`, error])
  on(clientSendHeaders, ({ request }) => [`sent ${named(request)}`])
  on(requestHeaders, ({ request, response }) => [`${response.statusCode} for ${named(request)}`])
  on(requestError, ({ request, error }) => [`failed ${named(request)}`, error])
}

/** Describes a request by method, origin and path, without its query. */
export function named({ origin = '', method, path }: { origin?: string | URL; method: string; path: string }): string {
  return shownRequest({ method, path: origin + path })
}
