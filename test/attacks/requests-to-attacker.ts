import type { Socket } from 'node:net'
import { Client } from '../../lib/index.js'
import { type Origin, onRequests, rawOrigin, response } from '../servers/origin.js'
import { codeOf } from './catalogue.js'

export const get = { path: '/', method: 'GET' }

/** Returns body and status of one response, or the error code. */
export async function outcome(client: Pick<Client, 'request'>, options: object = get): Promise<string> {
  try {
    const { statusCode, body } = await client.request(options as never)
    const text = await body.text()
    return statusCode === 200 ? text : `${statusCode} ${text}`
  } catch (error) {
    return codeOf(error)
  }
}

/** Starts a server that sends `answer` to the first request of its first connection, and `mine` to all others. */
export async function maliciousOrigin(answer: string | ((socket: Socket) => void)): Promise<Origin> {
  return rawOrigin((socket, connection) =>
    onRequests(socket, (_head, index) => {
      if (connection > 0 || index > 0) return void socket.write(response('mine'))
      if (typeof answer === 'string') socket.write(answer, 'latin1')
      else answer(socket)
    }),
  )
}

/** Sends requests one after the other to a malicious origin. Returns their outcomes and the number of connections. */
export async function deceived(
  answer: string | ((socket: Socket) => void),
  part: { options?: Client.Options & { parser?: 'wasm' | 'js' }; requests?: readonly object[] } = {},
): Promise<{ outcomes: string[]; connections: number }> {
  const origin = await maliciousOrigin(answer)
  const client = new Client(origin.url, part.options)
  const outcomes: string[] = []
  for (const request of part.requests ?? [get, get]) outcomes.push(await outcome(client, request))
  const { connections } = origin
  await client.destroy()
  await origin.close()
  return { outcomes, connections }
}

const HEAD_END = '\r\n\r\n'

function isWhole(text: string): boolean {
  const end = text.indexOf(HEAD_END)
  if (end < 0) return false
  const length = /^content-length: (\d+)/im.exec(text.slice(0, end))?.[1]
  if (length !== undefined) return text.length >= end + 4 + Number(length)
  return !/^transfer-encoding/im.test(text.slice(0, end)) || text.endsWith(`0${HEAD_END}`)
}

/** Returns the bytes of one request as received by a server, in latin1, and its outcome. */
export async function wire(options: object): Promise<{ text: string; outcome: string }> {
  let text = ''
  const closed: Promise<void>[] = []
  const origin = await rawOrigin((socket) => {
    closed.push(new Promise((resolve) => socket.on('close', () => resolve())))
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1')
      if (isWhole(text)) socket.write(response('ok'))
    })
  })
  const client = new Client(origin.url)
  const result = await outcome(client, { ...get, ...options })
  await client.destroy()
  await Promise.all(closed)
  await origin.close()
  return { text: text.replaceAll(new URL(origin.url).host, 'host'), outcome: result }
}
