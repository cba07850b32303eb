import { now } from '../base/clock.js'
import { clientBeforeConnect, clientConnectError, clientConnected } from '../diagnostics/channels.js'
import type { ClientConnectedMessage, ConnectParams } from '../diagnostics/messages.js'
import type { Opening } from '../exchange/watch.js'
import {
  type Connector,
  type ConnectorCallback,
  type ConnectorOptions,
  type Onread,
  serverNameOf,
} from '../transport/connect.js'

type Socket = ClientConnectedMessage['socket']

interface Destination {
  connector: Connector
  target: ConnectorOptions
  host: string
  onread: Onread
  /** To be filled in, when somebody wants to know. */
  marks: Opening | null
}

/** Opens a connection, and publishes how it went. Returns what the connector did: the socket, of ours. */
export function openSocket(to: Destination, callback: ConnectorCallback): unknown {
  const { connector, marks } = to
  const target = { ...to.target, host: to.host, onread: to.onread }
  if (clientBeforeConnect.hasSubscribers) {
    clientBeforeConnect.publish({ connectParams: paramsOf(connector, target), connector })
  }
  let attempt: unknown
  let answered = false
  const answer: ConnectorCallback = (...result) => {
    const [error, socket] = result
    // A connector of the caller's may do as it likes.
    if (answered) return void socket?.destroy()
    answered = true
    // A connector that hears of the socket before us calls back before we hear.
    if (marks !== null && error === null) marks[target.protocol === 'https:' ? 'tls' : 'tcp'] ??= now()
    if (error === null && clientConnected.hasSubscribers) {
      clientConnected.publish({ socket: socket as Socket, connectParams: paramsOf(connector, target), connector })
    } else if (error !== null && clientConnectError.hasSubscribers) {
      const failed = typeof attempt === 'object' && attempt !== null ? { socket: attempt as Socket } : {}
      clientConnectError.publish({ error, ...failed, connectParams: paramsOf(connector, target), connector })
    }
    callback(...result)
  }
  try {
    attempt = connector(target, answer)
    if (marks !== null) listen(attempt, marks)
  } catch (error) {
    // Whoever asked for a connection must not be told before it knows that it has asked.
    queueMicrotask(() => answer(error as Error, null))
  }
  return attempt
}

/** A connector of the caller's may return anything. */
function listen(socket: unknown, marks: Opening): void {
  const heard = socket as { once?: (event: string, listener: () => void) => void } | null | undefined
  if (typeof heard?.once !== 'function') return
  const note = (name: keyof Opening) => () => {
    marks[name] = now()
  }
  heard.once('lookup', note('dns'))
  heard.once('connect', note('tcp'))
  heard.once('secureConnect', note('tls'))
}

function paramsOf(connector: Connector, target: ConnectorOptions): ConnectParams {
  const { hostname, port, protocol, localAddress = null } = target
  const name = hostname.includes(':') ? `[${hostname}]` : hostname
  const host = port === '' ? name : `${name}:${port}`
  return { host, hostname, protocol, port, servername: serverNameOf(connector, target), localAddress }
}
