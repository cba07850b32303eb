import { X509Certificate } from 'node:crypto'
import { rmSync, writeFileSync } from 'node:fs'
import http, { type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import https from 'node:https'
import net from 'node:net'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import { authority, serverIdentity } from '../servers/certificates.js'
import { listen, type Origin } from '../servers/origin.js'
import { newFolder } from '../servers/program.js'

/** All servers that examples connect to, on loopback. */
export interface Scene {
  /** Working folder of examples. It contains the CA file that they read. */
  readonly folder: string
  /** Maps addresses of the documentation to loopback addresses. */
  readonly addresses: Record<string, number | string>
  /** PEM file of the CA. */
  readonly authorityFile: string
  /** SHA-256 fingerprint of the CA certificate, in Node's format. */
  readonly fingerprint: string
  close(): Promise<void>
}

const SECURE_HOSTS = ['localhost', 'example.com', 'secure.endpoint.com', 'secure.proxy.server']

export async function openScene(): Promise<Scene> {
  const folder = newFolder()
  const ca = await authority()
  const authorityFile = join(folder, 'ca-cert.pem')
  writeFileSync(authorityFile, ca.cert)
  const identities = await Promise.all(SECURE_HOSTS.map((name) => serverIdentity(ca, name)))
  const addresses: Record<string, number | string> = {}
  const origins: Origin[] = []
  const secure = (listener: RequestListener) => {
    const contexts = identities.map(({ key, cert }) => ({ key, cert: `${cert}\n${ca.cert}` }))
    const server = https.createServer(contexts[0] as https.ServerOptions, listener)
    for (const [index, name] of SECURE_HOSTS.entries()) server.addContext(name, contexts[index] as object)
    return server
  }
  const at = async (server: http.Server | https.Server, ...names: string[]) => {
    const origin = await listen(server)
    origins.push(origin)
    for (const name of names) addresses[name] = origin.port
  }

  await at(
    http.createServer(answer),
    ...[3000, 3001, 3002].map((port) => `http://localhost:${port}`),
    'http://example.com:80',
  )
  await at(secure(answer), 'https://localhost:3000', 'https://example.com:443', 'https://secure.endpoint.com:443')
  const socket = join(folder, 'docker.sock')
  addresses['/var/run/docker.sock'] = socket
  origins.push(await listen(http.createServer(answer), { path: socket }))
  await at(asProxy(http.createServer(forward(addresses)), addresses), 'http://localhost:8000')
  await at(asProxy(secure(forward(addresses)), addresses), 'https://secure.proxy.server:443')

  return {
    folder,
    addresses,
    authorityFile,
    fingerprint: new X509Certificate(ca.cert).fingerprint256,
    close: async () => {
      await Promise.all(origins.map((origin) => origin.close()))
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** Responds with a description of the request, without parts that differ between runs. */
function answer(request: IncomingMessage, response: ServerResponse): void {
  response.sendDate = false
  response.setHeader('content-type', 'application/json')
  const { method, url, headers } = request
  response.end(JSON.stringify({ method, url, host: headers.host, via: headers.via }))
}

/** Forwards requests in absolute form (RFC 9112 §3.2.2). */
function forward(addresses: Scene['addresses']): RequestListener {
  return (request, response) => {
    const { origin, hostname, host, port, pathname } = new URL(request.url as string)
    const known = addresses[port === '' ? `${origin}:80` : origin]
    const authorization = request.headers['proxy-authorization']
    const headers = { host, via: authorization === undefined ? hostname : `${hostname}, ${authorization}` }
    const { method } = request
    const onward = http.request({ host: '127.0.0.1', port: known, method, path: pathname, headers }, (answered) => {
      response.writeHead(answered.statusCode as number, answered.headers)
      answered.pipe(response)
    })
    request.pipe(onward)
  }
}

/** Opens tunnels for CONNECT (RFC 9110 §9.3.6). */
function asProxy<S extends http.Server | https.Server>(server: S, addresses: Scene['addresses']): S {
  server.on('connect', (request: IncomingMessage, client: Duplex, head: Buffer) => {
    const known = addresses[`https://${request.url}`] ?? addresses[`http://${request.url}`]
    const target = net.connect(Number(known), '127.0.0.1', () => {
      client.write('HTTP/1.1 200 Connection established\r\n\r\n')
      target.write(head)
      client.pipe(target).pipe(client)
    })
    target.on('error', () => client.destroy())
    client.on('error', () => target.destroy())
  })
  return server
}
