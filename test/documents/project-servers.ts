import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import http, { type RequestListener, type Server } from 'node:http'
import https from 'node:https'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { authority, serverIdentity } from '../servers/certificates.js'
import { listen, type Origin } from '../servers/origin.js'
import { newFolder } from '../servers/program.js'
import type { Scene } from './example-servers.js'

/** Servers for the programs in the project's own documents, and the published package installed by name. */
export interface OwnStage {
  scene: Scene
  /** Returns the number of requests of each connection to a host since the last call. */
  served(): Record<string, number[]>
}

const SERVICE = 'my-service.default.svc.cluster.local'
const PLAIN = ['localhost:3000', 'localhost:3001', 'localhost:3002', `${SERVICE}:80`]
/** Addresses that the documents name, or that service discovery returns. */
const ADDRESSES = ['127.0.0.1:80', '127.0.0.1:3001']
const BACKENDS = [1, 2, 3, 4].map((number) => `backend-${number}.internal:80`)
const SECURE = 'api.example.com'

export async function openStage(): Promise<OwnStage> {
  const folder = newFolder()
  const ca = await authority()
  const authorityFile = join(folder, 'ca-cert.pem')
  writeFileSync(authorityFile, ca.cert)
  mkdirSync(join(folder, 'node_modules'))
  symlinkSync(fileURLToPath(new URL('../../..', import.meta.url)), join(folder, 'node_modules/sluice'))

  const addresses: Record<string, number | string> = {}
  const counts = new Map<string, Map<object, number>>()
  const origins: Origin[] = []
  const open = async (url: string, server: Server | https.Server) => {
    const bySocket = new Map<object, number>()
    counts.set(new URL(url).host, bySocket)
    server.on('request', ({ socket }) => bySocket.set(socket, (bySocket.get(socket) ?? 0) + 1))
    const origin = await listen(server)
    origins.push(origin)
    addresses[url] = origin.port
  }
  for (const host of [...PLAIN, ...ADDRESSES, ...BACKENDS]) await open(`http://${host}`, http.createServer(answering()))
  const { key, cert } = await serverIdentity(ca, SECURE)
  await open(`https://${SECURE}:443`, https.createServer({ key, cert }, answering()))
  await open('http://localhost:8000', http.createServer(answering()))

  return {
    scene: {
      folder,
      addresses,
      authorityFile,
      fingerprint: '',
      close: async () => {
        await Promise.all(origins.map((origin) => origin.close()))
        rmSync(folder, { recursive: true, force: true })
      },
    },
    served: () => {
      const found = [...counts].map(([host, bySocket]): [string, number[]] => [host, [...bySocket.values()]])
      for (const bySocket of counts.values()) bySocket.clear()
      return Object.fromEntries(found.filter(([, list]) => list.length > 0))
    },
  }
}

/** Responds with a description of the request. Some paths have other responses, as their names say. */
function answering(): RequestListener {
  let failures = 0
  return async (request, response) => {
    const { method, url = '', headers } = request
    let body = ''
    for await (const chunk of request) body += chunk
    if (url === '/never') return
    if (url === '/moved') return void response.writeHead(302, { location: '/items' }).end()
    response.statusCode = url === '/broken' || (url === '/fails-twice' && failures++ < 2) ? 500 : 200
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify({ method, url, host: headers.host, ...(body === '' ? {} : { body }) }))
  }
}
