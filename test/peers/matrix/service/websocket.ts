import { createHash } from 'node:crypto'
import type { IncomingMessage, Server } from 'node:http'
import net, { type Socket } from 'node:net'

/** Returns the Sec-WebSocket-Accept value of a key (RFC 6455 §4.2.2). */
export function acceptOf(key: string): string {
  return createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
}

/** Returns a text frame below 126 bytes, masked for clients. */
export function frame(text: string, mask?: Buffer): Buffer {
  const payload = Buffer.from(text)
  if (mask === undefined) return Buffer.concat([Buffer.from([0x81, payload.length]), payload])
  return Buffer.concat([Buffer.from([0x81, 0x80 | payload.length]), mask, masked(payload, mask)])
}

function masked(payload: Buffer, mask: Buffer): Buffer {
  return payload.map((byte, index) => byte ^ (mask[index % 4] as number)) as Buffer
}

/** Echoes text frames, each of which must arrive in one read, and opens tunnels for CONNECT. */
export function serveTunnels(server: Server): void {
  server.on('upgrade', (request: IncomingMessage, socket: Socket) => {
    const accept = acceptOf(String(request.headers['sec-websocket-key']))
    socket.on('error', () => {})
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: ${accept}\r\n\r\n`,
    )
    socket.on('data', (data) => {
      const length = (data[1] as number) & 0x7f
      if ((data[0] as number) !== 0x81) return void socket.end()
      socket.write(frame(String(masked(data.subarray(6, 6 + length), data.subarray(2, 6)))))
    })
  })
  server.on('connect', ({ url = '' }: IncomingMessage, socket: Socket, rest: Buffer) => {
    const [host, port] = url.split(':')
    const target = net.connect(Number(port), host as string, () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n')
      target.write(rest)
      target.pipe(socket).pipe(target)
    })
    for (const end of [socket, target]) end.on('error', () => socket.destroy()).on('close', () => target.destroy())
  })
}
