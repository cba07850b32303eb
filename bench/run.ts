import { fork } from 'node:child_process'
import http from 'node:http'
import { cpus } from 'node:os'
import { fileURLToPath } from 'node:url'
import { Client, type DispatchHandler } from '../lib/index.js'

/** Sends one request, checks status and body, and calls back. */
type Send = (done: (right: boolean) => void) => void

interface Contender {
  name: string
  open(url: string, width: number): Promise<{ send: Send; close(): Promise<unknown> }>
}

const ROUNDS = Number(process.env.ROUNDS ?? 5)
const REQUESTS = Number(process.env.REQUESTS ?? 20_000)
const BODY = '{"hello":"world"}'
const get = { path: '/', method: 'GET' as const }

interface Dispatching {
  dispatch(options: typeof get & { blocking?: boolean }, handler: DispatchHandler): boolean
  request(
    options: typeof get & { blocking?: boolean },
  ): Promise<{ statusCode: number; body: { json(): Promise<unknown> } }>
  close(): Promise<unknown>
}

function byDispatch(client: Dispatching, options: typeof get & { blocking?: boolean }): Send {
  return (done) => {
    let status = 0
    let body = ''
    client.dispatch(options, {
      onRequestStart() {},
      onResponseStart: (_controller, statusCode) => {
        status = statusCode
      },
      onResponseData: (_controller, chunk) => {
        body += chunk.toString('latin1')
      },
      onResponseEnd: () => done(status === 200 && body === BODY),
      onResponseError: () => done(false),
    })
  }
}

function byRequest(client: Dispatching, options: typeof get & { blocking?: boolean }): Send {
  return (done) => {
    client.request(options).then(
      async ({ statusCode, body }) => {
        const said = (await body.json()) as { hello?: string }
        done(statusCode === 200 && said.hello === 'world')
      },
      () => done(false),
    )
  }
}

function sluice(name: string, send: typeof byDispatch): Contender {
  return {
    name: `sluice ${name}`,
    async open(url, width) {
      const client = new Client(url, { pipelining: width })
      return { send: send(client as Dispatching, get), close: () => client.close() }
    },
  }
}

const nodeHttp: Contender = {
  name: 'node:http',
  async open(url, width) {
    const agent = new http.Agent({ keepAlive: true, maxSockets: width })
    const send: Send = (done) => {
      const request = http.get(url, { agent }, (response) => {
        let body = ''
        response.setEncoding('latin1').on('data', (chunk) => {
          body += chunk
        })
        response.on('end', () => done(response.statusCode === 200 && body === BODY))
      })
      request.on('error', () => done(false))
    }
    return { send, close: async () => agent.destroy() }
  },
}

/** The peer that the documentation is of, where it runs on this Node. */
async function undici(): Promise<Contender[]> {
  const peer = await import('undici').catch(() => null)
  if (peer === null) return []
  const contender = (name: string, send: typeof byDispatch, blocking?: boolean): Contender => ({
    name: `undici ${name}`,
    async open(url, width) {
      const client = new peer.Client(url, { pipelining: width }) as unknown as Dispatching
      return { send: send(client, blocking === undefined ? get : { ...get, blocking }), close: () => client.close() }
    },
  })
  return [
    contender('dispatch', byDispatch),
    contender('dispatch, blocking: false', byDispatch, false),
    contender('request + json', byRequest),
  ]
}

/** Requests per second. */
async function measure(contender: Contender, url: string, width: number): Promise<number> {
  const { send, close } = await contender.open(url, width)
  const run = (total: number) =>
    new Promise<void>((resolve, reject) => {
      let sent = 0
      let answered = 0
      const next = (): void => {
        sent++
        send((right) => {
          if (!right) return reject(new Error(`${contender.name}: a wrong response`))
          if (++answered === total) return resolve()
          if (sent < total) next()
        })
      }
      for (let i = 0; i < width; i++) next()
    })
  await run(REQUESTS / 4)
  const started = performance.now()
  await run(REQUESTS)
  const rate = (REQUESTS * 1000) / (performance.now() - started)
  await close()
  return rate
}

async function main(): Promise<void> {
  const origin = fork(fileURLToPath(new URL('canned-origin.js', import.meta.url)))
  const port = await new Promise<number>((resolve) => origin.once('message', (message) => resolve(message as number)))
  const contenders = [
    sluice('dispatch', byDispatch),
    sluice('request + json', byRequest),
    nodeHttp,
    ...(await undici()),
  ]
  console.log(
    `node ${process.version}, ${cpus().length} × ${cpus()[0]?.model}, ${ROUNDS} rounds of ${REQUESTS} requests`,
  )
  for (const width of [1, 10]) {
    const rates = new Map<string, number[]>(contenders.map(({ name }) => [name, []]))
    for (let round = 0; round < ROUNDS; round++) {
      for (const contender of contenders) {
        rates.get(contender.name)?.push(await measure(contender, `http://127.0.0.1:${port}/`, width))
      }
    }
    console.log(`\none connection, ${width} under way (node:http: ${width} connections)`)
    for (const [name, values] of rates) {
      const sorted = values.sort((a, b) => a - b).map(Math.round)
      const [low, middle, high] = [sorted[0], sorted[sorted.length >> 1], sorted.at(-1)]
      console.log(`  ${name.padEnd(34)} median ${String(middle).padStart(7)}/s  (${low} to ${high})`)
    }
  }
  origin.disconnect()
}

await main()
