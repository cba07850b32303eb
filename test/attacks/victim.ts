import type { Socket } from 'node:net'
import { Client } from '../../lib/index.js'
import { type Origin, onRequests, rawOrigin, response } from '../servers/origin.js'
import { codeOf } from './catalogue.js'

export const get = { path: '/', method: 'GET' }

/** What came of one request: the body and the status, or the code of the error. */
export async function outcome(client: Pick<Client, 'request'>, options: object = get): Promise<string> {
  try {
    const { statusCode, body } = await client.request(options as never)
    const text = await body.text()
    return statusCode === 200 ? text : `${statusCode} ${text}`
  } catch (error) {
    return codeOf(error)
  }
}

/** A server that answers the first request of its first connection with what it is told, and all others with `mine`. */
export async function liar(answer: string | ((socket: Socket) => void)): Promise<Origin> {
  return rawOrigin((socket, connection) =>
    onRequests(socket, (_head, index) => {
      if (connection > 0 || index > 0) return void socket.write(response('mine'))
      if (typeof answer === 'string') socket.write(answer, 'latin1')
      else answer(socket)
    }),
  )
}

/** Runs requests one after the other against a liar: what came of each, and how many connections they took. */
export async function deceived(
  answer: string | ((socket: Socket) => void),
  part: { options?: Client.Options & { parser?: 'wasm' | 'js' }; requests?: readonly object[] } = {},
): Promise<{ outcomes: string[]; connections: number }> {
  const origin = await liar(answer)
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

/** All bytes of one request as they came at the server, in latin1, and what came of it. */
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
  const came = await outcome(client, { ...get, ...options })
  await client.destroy()
  await Promise.all(closed)
  await origin.close()
  return { text: text.replaceAll(new URL(origin.url).host, 'host'), outcome: came }
}
