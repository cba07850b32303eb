import { clientBeforeConnect, clientConnectError, clientConnected } from '../diagnostics/channels.js'
import type { ClientConnectedMessage, ConnectParams } from '../diagnostics/messages.js'
import { type Connector, type ConnectorCallback, type ConnectorOptions, serverNameOf } from '../transport/connect.js'

type Socket = ClientConnectedMessage['socket']

/** Opens a connection, and publishes how it went. Returns what the connector did: the socket, of ours. */
export function openSocket(connector: Connector, target: ConnectorOptions, callback: ConnectorCallback): unknown {
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
  } catch (error) {
    // Whoever asked for a connection must not be told before it knows that it has asked.
    queueMicrotask(() => answer(error as Error, null))
  }
  return attempt
}

function paramsOf(connector: Connector, target: ConnectorOptions): ConnectParams {
  const { hostname, port, protocol, localAddress = null } = target
  const name = hostname.includes(':') ? `[${hostname}]` : hostname
  const host = port === '' ? name : `${name}:${port}`
  return { host, hostname, protocol, port, servername: serverNameOf(connector, target), localAddress }
}
