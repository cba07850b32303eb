import type { Socket } from 'node:net'
import { type Origin, onRequests, rawOrigin } from './origin.js'

/** A fault of one response. */
export interface Fault {
  /** Bytes of the message, headers included, after which the connection closes. */
  after: number
  /** Whether it closes by RST instead of FIN. */
  reset?: boolean
}

export interface RangeOrigin extends Origin {
  /** Header sections of the received requests. */
  readonly requests: string[]
  /** The complete response to a request without a range. */
  readonly whole: string
}

/** Starts a server of one body that supports ranges. Each request has one of the given faults. */
export async function rangeOrigin(part: {
  body: string
  faults: readonly Fault[]
  fields?: string
  chunked?: boolean
}): Promise<RangeOrigin> {
  const { body, faults, fields = 'etag: "one"\r\n', chunked = false } = part
  const requests: string[] = []
  const answer = (head: string) => messageFor(body, head, { fields, chunked })
  const origin = await rawOrigin((socket) =>
    onRequests(socket, (head) => {
      requests.push(head)
      const fault = faults[requests.length - 1]
      const message = answer(head)
      if (fault === undefined || fault.after >= message.length) socket.write(message)
      else cut(socket, message.slice(0, fault.after), fault.reset === true)
    }),
  )
  return Object.defineProperties(Object.create(origin), {
    requests: { value: requests },
    whole: { value: answer('') },
  }) as RangeOrigin
}

/** Returns the value of a header in a header section. */
export function fieldOf(head: string, name: string): string | undefined {
  return new RegExp(`^${name}: (.*)$`, 'im').exec(head)?.[1]?.trim()
}

function messageFor(body: string, head: string, { fields, chunked }: { fields: string; chunked: boolean }): string {
  const range = /bytes=(\d+)-(\d*)/.exec(fieldOf(head, 'range') ?? '')
  const first = range === null ? 0 : Number(range[1])
  const last = range === null || range[2] === '' ? body.length - 1 : Number(range[2])
  const part = body.slice(first, last + 1)
  const status = range === null ? '200 OK' : '206 Partial Content'
  const place = range === null ? '' : `content-range: bytes ${first}-${last}/${body.length}\r\n`
  const framing = chunked ? 'transfer-encoding: chunked' : `content-length: ${part.length}`
  const pieces = part.match(/.{1,7}/gs) ?? []
  const coded = pieces.map((piece) => `${piece.length.toString(16)}\r\n${piece}\r\n`).join('')
  return `HTTP/1.1 ${status}\r\n${fields}${place}${framing}\r\n\r\n${chunked ? `${coded}0\r\n\r\n` : part}`
}

function cut(socket: Socket, text: string, reset: boolean): void {
  if (text === '') return void (reset ? socket.resetAndDestroy() : socket.end())
  socket.write(text, () => {
    if (reset) socket.resetAndDestroy()
    else socket.end()
  })
}
