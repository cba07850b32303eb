import {
  clientBeforeConnect,
  clientConnectError,
  clientConnected,
  clientSendHeaders,
  requestError,
  requestHeaders,
  type Topic,
} from './channels.js'
import { shownRequest } from './words.js'

/** Writes a line of parts; null unless `NODE_DEBUG=sluice` asks for it. */
export let debug: ((...parts: unknown[]) => void) | null = null

let asked = false

/** The first dispatcher looks whether `NODE_DEBUG` asks for lines, and has requests and sockets of this copy write them. */
export function heedNodeDebug(): void {
  if (asked) return
  asked = true
  const write = process.env.NODE_DEBUG ? process.getBuiltinModule?.('node:util')?.debuglog?.('sluice') : null
  if (!write?.enabled) return
  const log = (...parts: unknown[]) => {
    try {
      write('%s', parts.join(': '))
    } catch {
      // What it was aborted with may be anything, and no text.
    }
  }
  const on = <Message>(topic: Topic<Message>, partsOf: (message: Message) => unknown[]) =>
    topic.logTo((message) => log(...partsOf(message)))
  debug = log
  on(clientBeforeConnect, ({ connectParams: { host } }) => [`connecting to ${host}`])
  on(clientConnected, ({ connectParams: { host } }) => [`connected to ${host}`])
  on(clientConnectError, ({ connectParams: { host }, error }) => [`no connection to ${host}`, error])
  on(clientSendHeaders, ({ request }) => [`sent ${named(request)}`])
  on(requestHeaders, ({ request, response }) => [`${response.statusCode} for ${named(request)}`])
  on(requestError, ({ request, error }) => [`failed ${named(request)}`, error])
}

/** A request with where it goes. */
export function named({ origin = '', method, path }: { origin?: string | URL; method: string; path: string }): string {
  return shownRequest({ method, path: origin + path })
}
