import diagnosticsChannel from 'node:diagnostics_channel'
import type { DiagnosticsChannel } from 'undici'

diagnosticsChannel.channel('undici:request:create').subscribe((message) => {
  const { request } = message as DiagnosticsChannel.RequestCreateMessage
  console.log(request.method, request.path, String(request.origin), request.completed)
})

export function onHeaders({ request, response }: DiagnosticsChannel.RequestHeadersMessage): string {
  return `${request.path} ${response.statusCode} ${response.statusText}`
}

export function onError({ error, request }: DiagnosticsChannel.RequestErrorMessage): string {
  return `${request.path}: ${error.message}`
}

export function onConnected({ connectParams, socket }: DiagnosticsChannel.ClientConnectedMessage): string {
  const { host, hostname, protocol, port, servername } = connectParams
  return [host, hostname, protocol, port, servername ?? '', socket.remotePort].join(' ')
}

export function onSent({ headers, socket }: DiagnosticsChannel.ClientSendHeadersMessage): number {
  return headers.length + socket.bytesWritten
}

// @ts-expect-error: a status is a number
export const wrong = (message: DiagnosticsChannel.RequestHeadersMessage): string => message.response.statusCode
