import net, { type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import tls from 'node:tls'
import type { Identity } from './certificates.js'
import { listen, type Origin } from './origin.js'

export type Cut = 'fin' | 'rst' | 'garbage'

/** A fault of the first connection. */
export interface Fault {
  /** Index of the request; 0 is the first. */
  request: number
  /** Bytes read of that request, which is then not executed; or bytes sent of its response. */
  of: 'request' | 'response'
  after: number
  how: Cut
}

/** An origin that counts how often it executes each request. */
export interface CountingServer extends Origin {
  /** Number of executions by request target. */
  readonly executions: Map<string, number>
  /** Bytes of each received request by target; of repeated ones, the first. */
  readonly received: Map<string, number>
  /** Whether the fault occurred. It does not if the request is shorter. */
  readonly faulted: boolean
  /** Resets all counts. The next connection is the first again. */
  expect(fault: Fault | null): void
}

export const GARBAGE = '\u0000garbage\r\n\r\n'

/** Returns the response to a request. */
export function answerTo(method: string, target: string): string {
  const body = `${method} ${target}`
  const head = `HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\nx-target: ${target}\r\n\r\n`
  return method === 'HEAD' ? head : head + body
}

export async function countingServer(identity: Identity | null = null): Promise<CountingServer> {
  const executions = new Map<string, number>()
  const received = new Map<string, number>()
  let fault: Fault | null = null
  let connections = 0
  let faulted = false
  const server = net.createServer((raw) => {
    const index = connections++
    // Nagle's algorithm could delay bytes that a reset then discards.
    raw.setNoDelay(true)
    const socket = identity === null ? raw : new tls.TLSSocket(raw, { isServer: true, ...identity })
    socket.on('error', () => {})
    const part = {
      raw,
      socket,
      fault: index === 0 ? fault : null,
      executions,
      received,
      onFault: () => (faulted = true),
    }
    new ServedConnection(part)
  })
  const origin = await listen(server, identity === null ? {} : { protocol: 'https:' })
  const expect = (next: Fault | null) => {
    executions.clear()
    received.clear()
    connections = 0
    faulted = false
    fault = next
  }
  const made = Object.assign(Object.create(origin), { executions, received, expect })
  return Object.defineProperty(made, 'faulted', { get: () => faulted }) as CountingServer
}

interface Part {
  raw: Socket
  socket: Duplex
  fault: Fault | null
  executions: Map<string, number>
  received: Map<string, number>
  onFault(): void
}

class ServedConnection {
  readonly #part: Part
  #bytes = ''
  #index = 0
  #over = false

  constructor(part: Part) {
    this.#part = part
    part.socket.on('data', (chunk: Buffer) => this.#read(chunk.toString('latin1')))
  }

  #read(text: string): void {
    this.#bytes += text
    while (!this.#over) {
      const { fault } = this.#part
      const due = fault !== null && fault.request === this.#index
      const length = lengthOf(this.#bytes)
      const read = length ?? this.#bytes.length
      if (due && fault.of === 'request' && read >= fault.after) return this.#cut(fault.how)
      if (length === null) return
      this.#execute(this.#bytes.slice(0, length), due && fault.of === 'response' ? fault : null)
      this.#bytes = this.#bytes.slice(length)
      this.#index++
    }
  }

  #execute(request: string, fault: Fault | null): void {
    const { executions, received, socket } = this.#part
    const [method = '', target = ''] = request.split(' ')
    executions.set(target, (executions.get(target) ?? 0) + 1)
    if (!received.has(target)) received.set(target, request.length)
    const answer = answerTo(method, target)
    if (fault === null) return void socket.write(answer)
    this.#over = true
    socket.write(answer.slice(0, fault.after), () => this.#cut(fault.how))
  }

  #cut(how: Cut): void {
    this.#over = true
    const { raw, socket, onFault } = this.#part
    onFault()
    // Only after earlier responses have been sent.
    if (how === 'rst') socket.write('', () => raw.resetAndDestroy())
    else if (how === 'fin') socket.end()
    else socket.end(GARBAGE)
  }
}

/** Returns the length of the first request in `text`, or null if it is incomplete. */
function lengthOf(text: string): number | null {
  const end = text.indexOf('\r\n\r\n')
  if (end < 0) return null
  const head = text.slice(0, end).toLowerCase()
  const length = Number(/\r\ncontent-length: (\d+)/.exec(head)?.[1] ?? 0)
  if (!head.includes('\r\ntransfer-encoding: chunked')) return text.length >= end + 4 + length ? end + 4 + length : null
  const last = text.indexOf('\r\n0\r\n\r\n', end + 2)
  return last < 0 ? null : last + 7
}
