import { type ChildProcess, fork } from 'node:child_process'
import http from 'node:http'
import https from 'node:https'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { authority, serverIdentity } from '../../test/servers/certificates.js'

export interface Origins {
  readonly http: string
  readonly https: string
  readonly ca: string
  stop(): void
}

/** Starts a process with an HTTP and an HTTPS origin that respond `ok`. */
export function startOrigins(): Promise<Origins> {
  const child: ChildProcess = fork(fileURLToPath(import.meta.url), ['serve'])
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('message', (message) => resolve({ ...(message as Omit<Origins, 'stop'>), stop: () => child.kill() }))
  })
}

async function serve(): Promise<void> {
  const respond: http.RequestListener = (_request, response) => response.end('ok')
  const ca = await authority()
  const servers = [http.createServer(respond), https.createServer(await serverIdentity(ca), respond)]
  const listening = servers.map(
    (server) =>
      new Promise<number>((resolve) => {
        server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port))
      }),
  )
  const [plain, tls] = await Promise.all(listening)
  process.once('disconnect', () => process.exit())
  process.send?.({ http: `http://127.0.0.1:${plain}`, https: `https://127.0.0.1:${tls}`, ca: ca.cert })
}

if (process.argv[2] === 'serve') await serve()
