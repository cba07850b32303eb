import type { Socket } from 'node:net'
import { gzipSync } from 'node:zlib'
import { type Origin, rawOrigin } from '../../servers/origin.js'

type Answer = (socket: Socket, id: string, index: number) => void

const PIECE = 'x'.repeat(20_000)
const chunk = (text: string) => `${text.length.toString(16)}\r\n${text}\r\n`
const gzipped = gzipSync('decoded').toString('latin1')
const writes =
  (text: string): Answer =>
  (socket) =>
    void socket.write(text, 'latin1')

/** Responses of the origin by the first part of the path. */
const answers: Record<string, Answer> = {
  length: writes(
    'HTTP/1.1 200 Fine\r\nSet-Cookie: a=1\r\nX-One: 1\r\nset-cookie: b=2\r\nContent-Length: 5\r\n\r\nhello',
  ),
  empty: writes('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'),
  nothing: writes('HTTP/1.1 204 No Content\r\nX-One: 1\r\n\r\n'),
  head: writes('HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n'),
  missing: writes('HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\nnone'),
  trailers: writes(
    `HTTP/1.1 200 OK\r\nTrailer: x-sum\r\nTransfer-Encoding: chunked\r\n\r\n${chunk('one')}${chunk('two')}0\r\nX-Sum: 7\r\n\r\n`,
  ),
  info: writes(
    'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok',
  ),
  gzip: writes(
    `HTTP/1.1 200 OK\r\nX-One: 1\r\nContent-Encoding: gzip\r\nContent-Length: ${gzipped.length}\r\nX-Two: 2\r\n\r\n${gzipped}`,
  ),
  long: writes(
    `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${chunk(PIECE)}${chunk(PIECE)}${chunk(PIECE)}0\r\nX-Sum: 8\r\n\r\n`,
  ),
  unfinished: writes('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello'),
  moved: (socket, id) => {
    socket.write(`HTTP/1.1 302 Found\r\nLocation: /length/${id}\r\nContent-Length: 5\r\n\r\nmoved`)
  },
  busy: (socket, id, index) => {
    if (index > 0) return answers.length?.(socket, id, index)
    socket.write('HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy')
  },
  silent: () => {},
  reset: (socket) => socket.destroy(),
  broken: (socket) => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello'),
  upgrade: (socket) => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\nfirst ')
    socket.on('data', (bytes) => socket.write(bytes))
  },
}

/** An origin that keeps what it received, by the number at the end of the path. */
export interface MatrixOrigin extends Origin {
  /** Requests as they came, without what differs from one case to another. */
  readonly received: Map<string, string[]>
}

/** Answers one request after the other on a connection; bodies have a length or are chunked. */
export async function matrixOrigin(): Promise<MatrixOrigin> {
  const received = new Map<string, string[]>()
  const origin = await rawOrigin((socket) => {
    let text = ''
    const read = (bytes: Buffer) => {
      text += bytes.toString('latin1')
      const head = text.indexOf('\r\n\r\n') + 4
      if (head < 4) return
      if (text.endsWith('\r\n\r\n') && /\r\nexpect:/i.test(text)) socket.write('HTTP/1.1 100 Continue\r\n\r\n')
      const length = Number(/\r\ncontent-length: *(\d+)/i.exec(text.slice(0, head))?.[1] ?? 0)
      const chunked = /\r\ntransfer-encoding: *chunked/i.test(text.slice(0, head))
      const end = chunked ? text.indexOf('0\r\n\r\n', head) + 5 : head + length
      if (end < head || text.length < end) return
      const [, kind = '', id = ''] = /^\S+ \/(\w+)\/(\d+)[ ?]/.exec(text) ?? []
      const before = received.get(id) ?? []
      received.set(id, [...before, text.slice(0, end).replace(`/${id}`, '/#')])
      text = text.slice(end)
      if (kind === 'upgrade') socket.off('data', read)
      answers[kind]?.(socket, id, before.length)
    }
    socket.on('data', read)
  })
  return Object.assign(Object.create(origin) as Origin, { received })
}
