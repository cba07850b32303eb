import type http from 'node:http'
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import type { Test } from 'tap'
import type { Dispatcher } from '../../../lib/index.js'
import { httpOrigin, type Origin } from '../../servers/origin.js'

/** A complete received request. */
export interface Received {
  method: string
  url: string
  headers: IncomingHttpHeaders
  body: Buffer
}

export type Answer = (request: IncomingMessage, reply: ServerResponse, body: Buffer) => void

/** A service on loopback that records received requests. */
export interface Service extends Origin {
  readonly received: Received[]
  /** Resolves when the connection of the next request to this path closes before its response is complete. */
  lost(path: string): Promise<void>
}

/** Starts a service. Each path has one response, or a list of responses for its first, second request and so on. */
export async function service(answers: Record<string, Answer | Answer[]>): Promise<Service> {
  const received: Received[] = []
  const times = new Map<string, number>()
  const losses = new Map<string, () => void>()
  const origin = await httpOrigin(async (request, reply) => {
    const path = String(request.url).split('?')[0] as string
    reply.on('close', () => {
      if (!reply.writableFinished) losses.get(path)?.()
    })
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    const body = Buffer.concat(chunks)
    received.push({ method: String(request.method), url: String(request.url), headers: request.headers, body })
    const time = times.get(path) ?? 0
    times.set(path, time + 1)
    const row = answers[path]
    const answer = Array.isArray(row) ? row[Math.min(time, row.length - 1)] : row
    if (answer === undefined) json({ message: 'unknown' }, 404)(request, reply, body)
    else answer(request, reply, body)
  })
  const lost = (path: string) => new Promise<void>((resolve) => losses.set(path, resolve))
  return Object.create(origin, { received: { value: received }, lost: { value: lost } })
}

export function json(value: unknown, status = 200, headers: http.OutgoingHttpHeaders = {}): Answer {
  return (_request, reply) => {
    reply.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(value))
  }
}

/** Never responds. */
export const silence: Answer = () => {}

/** Closes the connection instead of responding. */
export const cut: Answer = (request) => void request.socket.destroy()

/** Runs an action with a dispatcher, and checks that it opened every connection that the service accepted. */
export async function carry<Kind extends Dispatcher>(
  t: Test,
  part: { service: Service; dispatcher: Kind; most: number },
  action: (dispatcher: Kind) => Promise<void>,
): Promise<void> {
  const { service, dispatcher, most } = part
  let connects = 0
  dispatcher.on('connect', () => {
    connects++
  })
  await action(dispatcher)
  t.ok(connects > 0)
  t.equal(service.connections, connects, 'all connections were opened by sluice')
  t.ok(connects <= most, `${connects} connections for ${service.received.length} requests`)
  await dispatcher.destroy()
  await service.close()
}
