import { ResponseChecker } from '../harness/check.js'
import type { BenchClient, Done, Session, Setup } from '../harness/client-session.js'
import { type Scenario, scenarioOf } from '../origin/scenarios.js'
import { agentFor, isSecure, urlOf } from './node-http.js'

type CheckResult = Promise<Error | null>

/** Creates a session of a client that returns promises. */
function promiseSession(exchange: () => CheckResult, close: () => unknown = () => {}): Session {
  const send = (done: Done): void => {
    exchange().then(done, done)
  }
  return { send, close: async () => close() }
}

const common = { role: 'peer', pipelines: false } as const

/** Convenience features are off: no decompression, no retries, no exceptions for error statuses. */
export const got: BenchClient = {
  ...common,
  name: 'got',
  apis: ['json', 'text', 'bytes'],
  bounded: true,
  async open(setup, packages) {
    const { default: client } = await packages.load('got')
    const { scenario, check, agent, url } = prepare(setup)
    const instance = client.extend({
      agent: isSecure(setup) ? { https: agent } : { http: agent },
      method: scenario.method,
      decompress: false,
      retry: { limit: 0 },
      throwHttpErrors: false,
      responseType: setup.api === 'bytes' ? 'buffer' : setup.api,
    })
    const checkBody = bodyCheckFor(setup, check)
    // got does not inherit a body from an instance.
    const options = scenario.upload === null ? {} : { body: scenario.upload }
    return promiseSession(
      () =>
        instance(url, options).then((response: { statusCode: number; body: never }) =>
          checkBody(response.statusCode, response.body),
        ),
      () => agent.destroy(),
    )
  },
}

export const axios: BenchClient = {
  ...common,
  name: 'axios',
  apis: ['json', 'text', 'bytes'],
  bounded: true,
  async open(setup, packages) {
    const { default: client } = await packages.load('axios')
    const { scenario, check, agent, url } = prepare(setup)
    const instance = client.create({
      adapter: 'http',
      httpAgent: agent,
      httpsAgent: agent,
      decompress: false,
      maxRedirects: 0,
      proxy: false,
      maxBodyLength: Number.POSITIVE_INFINITY,
      validateStatus: null,
      responseType: setup.api === 'bytes' ? 'arraybuffer' : setup.api,
    })
    const checkBody = bodyCheckFor(setup, check)
    const request = { url, method: scenario.method, data: scenario.upload ?? undefined }
    return promiseSession(
      () =>
        instance
          .request(request)
          .then((response: { status: number; data: never }) => checkBody(response.status, response.data)),
      () => agent.destroy(),
    )
  },
}

interface FetchResponse {
  status: number
  json(): Promise<unknown>
  text(): Promise<string>
  arrayBuffer(): Promise<ArrayBuffer>
}

type Fetch = (url: string, options: object) => Promise<FetchResponse>

function fetchSender(fetch: Fetch, setup: Setup, options: object): () => CheckResult {
  const { check, url } = prepare(setup)
  if (setup.api === 'json') {
    return () =>
      fetch(url, options).then((response) => response.json().then((body) => check.json(response.status, body)))
  }
  if (setup.api === 'text') {
    return () =>
      fetch(url, options).then((response) => response.text().then((body) => check.string(response.status, body)))
  }
  return () =>
    fetch(url, options).then((response) =>
      response.arrayBuffer().then((body) => check.bytes(response.status, new Uint8Array(body))),
    )
}

export const nodeFetch: BenchClient = {
  ...common,
  name: 'node-fetch',
  apis: ['json', 'text', 'bytes'],
  bounded: true,
  async open(setup, packages) {
    const { default: fetch } = await packages.load('node-fetch')
    const { scenario, agent } = prepare(setup)
    const options = { method: scenario.method, body: scenario.upload ?? undefined, agent, compress: false }
    return promiseSession(fetchSender(fetch, setup, options), () => agent.destroy())
  },
}

/** Opens any number of connections: its dispatcher can not be configured without a package. */
export const builtinFetch: BenchClient = {
  ...common,
  name: 'fetch',
  apis: ['json', 'text', 'bytes'],
  bounded: false,
  async open(setup) {
    const { method, upload } = scenarioOf(setup.scenario)
    const options = { method, ...(upload === null ? {} : { body: upload }) }
    return promiseSession(fetchSender(globalThis.fetch as unknown as Fetch, setup, options))
  },
}

function prepare(setup: Setup): {
  scenario: Scenario
  check: ResponseChecker
  agent: ReturnType<typeof agentFor>
  url: string
} {
  const scenario = scenarioOf(setup.scenario)
  return { scenario, check: new ResponseChecker(scenario), agent: agentFor(setup), url: urlOf(setup) }
}

/** Returns the check for clients whose response object contains the whole body. */
function bodyCheckFor(setup: Setup, check: ResponseChecker): (status: number, body: never) => Error | null {
  if (setup.api === 'json') return (status, body) => check.json(status, body)
  if (setup.api === 'text') return (status, body) => check.string(status, body)
  return (status, body) => check.bytes(status, body)
}
