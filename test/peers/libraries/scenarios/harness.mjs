// Collects the scenarios of a package and runs them one after another: `node harness.mjs FILE` prints a line of JSON for each.
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import http from 'node:http'
import https from 'node:https'
import { setTimeout as sleep } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { inspect } from 'node:util'

/** Milliseconds for one scenario. */
const LIMIT = 20_000

/** @typedef {{ after(action: () => unknown): void }} Context */
/** @typedef {(request: http.IncomingMessage, response: http.ServerResponse, body: Buffer) => unknown} Answer */

/** @type {{ name: string, run: (context: Context) => unknown }[]} */
const scenarios = []

/**
 * Adds a scenario. What it leaves open is closed by the actions given to `context.after`, the last one first.
 * @param {string} name
 * @param {(context: Context) => unknown} run
 */
export function scenario(name, run) {
  scenarios.push({ name, run })
}

/**
 * Starts a server on loopback that closes with the scenario.
 * @param {Context} context
 * @param {http.RequestListener} listener
 * @param {http.Server} [server]
 */
export async function listen(context, listener, server = http.createServer(listener)) {
  const sockets = new Set()
  let connections = 0
  server.on('connection', (socket) => {
    connections++
    sockets.add(socket)
    socket.on('error', () => {}).on('close', () => sockets.delete(socket))
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  context.after(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address())
  return { url: `http://127.0.0.1:${port}`, port, sockets, server, connections: () => connections }
}

/**
 * An authority, and the key and certificate that it gave `localhost` and 127.0.0.1.
 * @returns {{ ca: string, key: string, cert: string }}
 */
export const tls = () => JSON.parse(readFileSync(new URL('tls.json', import.meta.url), 'utf8'))

/**
 * As {@link listen}, over TLS.
 * @param {Context} context
 * @param {http.RequestListener} listener
 */
export async function listenTls(context, listener) {
  const { key, cert, ca } = tls()
  const one = await listen(context, listener, https.createServer({ key, cert: `${cert}\n${ca}` }, listener))
  return { ...one, url: one.url.replace('http:', 'https:') }
}

/**
 * Starts a service that records requests and answers by path. An array has one answer per request, the last one repeats.
 * @param {Context} context
 * @param {Record<string, Answer | Answer[]>} answers
 */
export async function service(context, answers) {
  /** @type {{ method: string, url: string, headers: http.IncomingHttpHeaders, body: Buffer }[]} */
  const received = []
  const times = new Map()
  const one = await listen(context, async (request, response) => {
    const path = String(request.url).split('?')[0]
    const chunks = []
    try {
      for await (const chunk of request) chunks.push(chunk)
    } catch {
      return
    }
    const body = Buffer.concat(chunks)
    received.push({ method: String(request.method), url: String(request.url), headers: request.headers, body })
    const time = times.get(path) ?? 0
    times.set(path, time + 1)
    const row = answers[path]
    const answer = Array.isArray(row) ? row[Math.min(time, row.length - 1)] : row
    if (answer === undefined) response.writeHead(404).end('{"message":"unknown"}')
    else answer(request, response, body)
  })
  return { ...one, received }
}

/** @param {unknown} value @param {number} [status] @param {http.OutgoingHttpHeaders} [headers] @returns {Answer} */
export function json(value, status = 200, headers = {}) {
  return (_request, response) => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(value))
  }
}

/** Answers with the request as JSON. @type {Answer} */
export const mirror = (request, response, body) =>
  json({ method: request.method, url: request.url, headers: request.headers, body: body.toString('latin1') })(
    request,
    response,
    body,
  )

/** Destroys the connection instead of answering. @type {Answer} */
export const cut = (request) => request.socket.destroy()

/** Never answers. @type {Answer} */
export const silent = () => {}

/** Calls an action that is meant to fail, and returns its error. @param {Promise<unknown>} promise @returns {Promise<any>} */
export async function failure(promise) {
  try {
    await promise
  } catch (error) {
    return error
  }
  throw new Error('expected a failure')
}

/** Resolves when the condition holds. @param {() => unknown} condition */
export async function until(condition) {
  while (!condition()) await sleep(2)
}

/** A port on which nothing listens. */
export async function closedPort() {
  const server = http.createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address())
  server.close()
  await once(server, 'close')
  return port
}

/** @param {{ name: string, run: (context: Context) => unknown }} one */
async function play({ name, run }) {
  /** @type {Promise<never>} */
  const uncaught = new Promise((_resolve, reject) => {
    process.removeAllListeners('uncaughtException').on('uncaughtException', reject)
  })
  uncaught.catch(() => {})
  /** @type {(() => unknown)[]} */
  const actions = []
  const context = { after: (/** @type {() => unknown} */ action) => actions.unshift(action) }
  const late = sleep(LIMIT, null, { ref: true }).then(() => Promise.reject(new Error(`not ended after ${LIMIT} ms`)))
  late.catch(() => {})
  /** @type {unknown[]} */
  const errors = []
  const attempt = async (/** @type {() => unknown} */ action) => {
    try {
      await Promise.race([action(), uncaught, late])
    } catch (error) {
      errors.push(error)
    }
  }
  await attempt(() => run(context))
  for (const action of actions) await attempt(action)
  console.log(JSON.stringify({ name, ...(errors.length > 0 && { error: inspect(errors[0]) }) }))
}

/** @param {string} file */
async function main(file) {
  await import(pathToFileURL(file).href)
  for (const one of scenarios) await play(one)
  process.exit(0)
}

// Not awaited: the scenarios import this module, which must have ended.
if (process.argv[1] === import.meta.filename) {
  main(String(process.argv[2])).catch((error) => {
    console.error(error)
    process.exit(1)
  })
}
