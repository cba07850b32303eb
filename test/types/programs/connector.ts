import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { Agent, buildConnector, Client } from 'undici'

const connect = buildConnector({ rejectUnauthorized: false, timeout: 5000, maxCachedSessions: 0, keepAlive: true })

/** Pins a certificate. */
export const pinned: buildConnector.connector = (options, callback) => {
  connect(options, (error, socket) => {
    if (error) return callback(error, null)
    if ('getPeerCertificate' in socket) {
      const certificate = socket.getPeerCertificate()
      if (certificate.fingerprint256 !== 'AA:BB') {
        socket.destroy()
        return callback(new Error('not the one'), null)
      }
    }
    return callback(null, socket)
  })
}

/** A function of one's own, with types spelled out. */
export function through(open: (host: string) => Promise<Socket | TLSSocket>) {
  return (
    { hostname, port, protocol, servername }: buildConnector.Options,
    callback: buildConnector.Callback,
  ): void => {
    open(`${protocol}//${servername ?? hostname}:${port}`).then(
      (socket) => callback(null, socket),
      (error: Error) => callback(error, null),
    )
  }
}

const settings: buildConnector.BuildOptions = { socketPath: '/tmp/socket', allowH2: false, servername: 'a.example' }

export const client = new Client('https://localhost', { connect: pinned })
export const other = new Client('https://localhost', { connect: through(() => Promise.reject(new Error('no'))) })
export const local = new Client('http://localhost', { connect: buildConnector(settings), connectTimeout: 1 })
export const agent = new Agent({
  connect: { ca: 'x', rejectUnauthorized: true, timeout: 1000, keepAliveInitialDelay: null },
})
export const inline = new Client('https://localhost', {
  connect(options, callback) {
    if (options.host === 'b.example') callback(new Error('no'), null)
    else connect({ ...options, servername: 'b.example' }, callback)
  },
})

// @ts-expect-error: an error comes with no socket
export const mixed: buildConnector.connector = (_options, callback) => callback(new Error('no'), {} as Socket)
// @ts-expect-error: a timeout is a number
export const late = buildConnector({ timeout: '1s' })
