import http from 'node:http'
import https from 'node:https'
import { ResponseChecker } from '../harness/check.js'
import type { Api, BenchClient, Done, Session, Setup } from '../harness/client-session.js'
import { scenarioOf } from '../origin/scenarios.js'
import { Sink } from './dispatchers.js'

/** Creates a keep-alive agent with as many connections as the other clients have. */
export function agentFor(setup: Setup): http.Agent {
  const options = { keepAlive: true, maxSockets: setup.connections, maxFreeSockets: setup.connections }
  return isSecure(setup) ? new https.Agent(options) : new http.Agent(options)
}

export function isSecure(setup: Setup): boolean {
  return urlOf(setup).startsWith('https:')
}

export function urlOf(setup: Setup): string {
  const [url] = setup.urls
  if (url === undefined) throw new Error('setup has no URL')
  return url
}

type BodyReader = (response: http.IncomingMessage, check: ResponseChecker, done: Done) => void

function readChunks(response: http.IncomingMessage, check: ResponseChecker, done: Done): void {
  const received = check.start()
  response.on('data', (chunk: Buffer) => received.chunk(chunk))
  response.on('end', () => done(received.end(response.statusCode)))
}

function readText(response: http.IncomingMessage, use: (text: string) => void): void {
  let text = ''
  response.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk
  })
  response.on('end', () => use(text))
}

const bodyReaders: Record<Api, BodyReader> = {
  dispatch: readChunks,
  chunks: readChunks,
  text: (response, check, done) => readText(response, (text) => done(check.string(response.statusCode, text))),
  json: (response, check, done) =>
    readText(response, (text) => {
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
    response.pipe(sink).on('finish', () => done(sink.result()))
  },
}

export const nodeHttp: BenchClient = {
  name: 'node:http',
  role: 'peer',
  apis: ['dispatch', 'json', 'text', 'bytes', 'chunks', 'stream'],
  pipelines: false,
  bounded: true,
  async open(setup): Promise<Session> {
    const scenario = scenarioOf(setup.scenario)
    const check = new ResponseChecker(scenario)
    const agent = agentFor(setup)
    const { hostname, port } = new URL(urlOf(setup))
    const { upload } = scenario
    const headers = upload === null ? {} : { 'content-length': upload.length }
    const options = { agent, hostname, port, path: '/', method: scenario.method, headers }
    const { request } = isSecure(setup) ? https : http
    const readBody = bodyReaders[setup.api]
    const send = (done: Done): void => {
      const clientRequest = request(options, (response) => {
        response.on('error', done)
        readBody(response, check, done)
      })
      clientRequest.on('error', done)
      clientRequest.end(upload)
    }
    return { send, close: async () => agent.destroy() }
  },
}
