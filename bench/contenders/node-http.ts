import http from 'node:http'
import https from 'node:https'
import { Check } from '../harness/check.js'
import type { Api, Contender, Done, Session, Setup } from '../harness/session.js'
import { sceneOf } from '../origin/scenes.js'
import { Sink } from './dispatchers.js'

/** An agent that keeps connections, and no more of them than the others have. */
export function agentFor(setup: Setup): http.Agent {
  const options = { keepAlive: true, maxSockets: setup.connections, maxFreeSockets: setup.connections }
  return isSecure(setup) ? new https.Agent(options) : new http.Agent(options)
}

export function isSecure(setup: Setup): boolean {
  return urlOf(setup).startsWith('https:')
}

export function urlOf(setup: Setup): string {
  const [url] = setup.urls
  if (url === undefined) throw new Error('no origin')
  return url
}

type Take = (response: http.IncomingMessage, check: Check, done: Done) => void

function inChunks(response: http.IncomingMessage, check: Check, done: Done): void {
  const taken = check.start()
  response.on('data', (chunk: Buffer) => taken.chunk(chunk))
  response.on('end', () => done(taken.end(response.statusCode)))
}

function asText(response: http.IncomingMessage, use: (text: string) => void): void {
  let text = ''
  response.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk
  })
  response.on('end', () => use(text))
}

const takers: Record<Api, Take> = {
  dispatch: inChunks,
  chunks: inChunks,
  text: (response, check, done) => asText(response, (text) => done(check.string(response.statusCode, text))),
  json: (response, check, done) =>
    asText(response, (text) => {
      try {
        done(check.json(response.statusCode, JSON.parse(text)))
      } catch (error) {
        done(error as Error)
      }
    }),
  bytes: (response, check, done) => {
    const chunks: Buffer[] = []
    response.on('data', (chunk: Buffer) => chunks.push(chunk))
    response.on('end', () => done(check.bytes(response.statusCode, Buffer.concat(chunks))))
  },
  stream: (response, check, done) => {
    const sink = new Sink(check.start())
    sink.status = response.statusCode
    response.pipe(sink).on('finish', () => done(sink.verdict()))
  },
}

export const nodeHttp: Contender = {
  name: 'node:http',
  role: 'peer',
  apis: ['dispatch', 'json', 'text', 'bytes', 'chunks', 'stream'],
  pipelines: false,
  bounded: true,
  async open(setup): Promise<Session> {
    const scene = sceneOf(setup.scene)
    const check = new Check(scene)
    const agent = agentFor(setup)
    const { hostname, port } = new URL(urlOf(setup))
    const { upload } = scene
    const headers = upload === null ? {} : { 'content-length': upload.length }
    const options = { agent, hostname, port, path: '/', method: scene.method, headers }
    const { request } = isSecure(setup) ? https : http
    const take = takers[setup.api]
    const send = (done: Done): void => {
      const sent = request(options, (response) => {
        response.on('error', done)
        take(response, check, done)
      })
      sent.on('error', done)
      sent.end(upload)
    }
    return { send, close: async () => agent.destroy() }
  },
}
