import { Check } from '../harness/check.js'
import type { Contender, Done, Session, Setup } from '../harness/session.js'
import { type Scene, sceneOf } from '../origin/scenes.js'
import { agentFor, isSecure, urlOf } from './node-http.js'

type Verdict = Promise<Error | null>

/** A session of a client that answers by a promise. */
function promising(exchange: () => Verdict, close: () => unknown = () => {}): Session {
  const send = (done: Done): void => {
    exchange().then(done, done)
  }
  return { send, close: async () => close() }
}

const common = { role: 'peer', pipelines: false } as const

/** Nothing that only serves comfort: no decompression, no retries, no exceptions for a status. */
export const got: Contender = {
  ...common,
  name: 'got',
  apis: ['json', 'text', 'bytes'],
  bounded: true,
  async open(setup, packages) {
    const { default: client } = await packages.load('got')
    const { scene, check, agent, url } = prepare(setup)
    const instance = client.extend({
      agent: isSecure(setup) ? { https: agent } : { http: agent },
      method: scene.method,
      decompress: false,
      retry: { limit: 0 },
      throwHttpErrors: false,
      responseType: setup.api === 'bytes' ? 'buffer' : setup.api,
    })
    const verdict = verdictFor(setup, check)
    // A body is not inherited.
    const options = scene.upload === null ? {} : { body: scene.upload }
    return promising(
      () =>
        instance(url, options).then((response: { statusCode: number; body: never }) =>
          verdict(response.statusCode, response.body),
        ),
      () => agent.destroy(),
    )
  },
}

export const axios: Contender = {
  ...common,
  name: 'axios',
  apis: ['json', 'text', 'bytes'],
  bounded: true,
  async open(setup, packages) {
    const { default: client } = await packages.load('axios')
    const { scene, check, agent, url } = prepare(setup)
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
    const verdict = verdictFor(setup, check)
    const request = { url, method: scene.method, data: scene.upload ?? undefined }
    return promising(
      () =>
        instance
          .request(request)
          .then((response: { status: number; data: never }) => verdict(response.status, response.data)),
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

function fetching(fetch: Fetch, setup: Setup, options: object): () => Verdict {
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

export const nodeFetch: Contender = {
  ...common,
  name: 'node-fetch',
  apis: ['json', 'text', 'bytes'],
  bounded: true,
  async open(setup, packages) {
    const { default: fetch } = await packages.load('node-fetch')
    const { scene, agent } = prepare(setup)
    const options = { method: scene.method, body: scene.upload ?? undefined, agent, compress: false }
    return promising(fetching(fetch, setup, options), () => agent.destroy())
  },
}

/** Its dispatcher can not be had without a package: it opens as many connections as it likes. */
export const builtinFetch: Contender = {
  ...common,
  name: 'fetch',
  apis: ['json', 'text', 'bytes'],
  bounded: false,
  async open(setup) {
    const { method, upload } = sceneOf(setup.scene)
    const options = { method, ...(upload === null ? {} : { body: upload }) }
    return promising(fetching(globalThis.fetch as unknown as Fetch, setup, options))
  },
}

function prepare(setup: Setup): { scene: Scene; check: Check; agent: ReturnType<typeof agentFor>; url: string } {
  const scene = sceneOf(setup.scene)
  return { scene, check: new Check(scene), agent: agentFor(setup), url: urlOf(setup) }
}

/** For clients whose answer holds the body already. */
function verdictFor(setup: Setup, check: Check): (status: number, body: never) => Error | null {
  if (setup.api === 'json') return (status, body) => check.json(status, body)
  if (setup.api === 'text') return (status, body) => check.string(status, body)
  return (status, body) => check.bytes(status, body)
}
