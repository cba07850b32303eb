/** Sends all kinds of requests to one origin, and prints their results and the parser in use, as JSON. */
import inspector from 'node:inspector'
import { Agent, Client, Pool } from '../../lib/index.js'
import { Recorder } from '../servers/recorder.js'

const [origin = '', mode = ''] = process.argv.slice(2)
if (mode === 'stub') {
  const { WebAssembly } = globalThis as unknown as { WebAssembly: { Module: unknown } }
  WebAssembly.Module = class {
    constructor() {
      throw new RangeError('no room for compiled code')
    }
  }
}
const parser = mode === 'js' || mode === 'wasm' ? mode : 'auto'
const get = { path: '/length', method: 'GET' } as const
const codeOf = (error: { code?: string; cause?: { message?: string } }) => [error.code, error.cause?.message]

/** Destroys a client, and aborts a request, while the parser is being loaded. */
async function early(): Promise<unknown[]> {
  const client = new Client(origin, { parser })
  const refused = client.request(get).catch(codeOf)
  await client.destroy()
  const other = new Client(origin, { parser })
  const controller = new AbortController()
  const aborted = other.request({ ...get, signal: controller.signal }).catch((error) => error.name)
  const kept = other.request(get)
  controller.abort()
  const answers = [await refused, await aborted, await (await kept).body.text()]
  await other.close()
  return answers
}

async function byClient(): Promise<unknown[]> {
  const client = new Client(origin, { parser, pipelining: 8 })
  let connections = 0
  client.on('connect', () => connections++)
  const one = async (path: string, method: 'GET' | 'HEAD' = 'GET') => {
    const { statusCode, headers, trailers, body } = await client.request({ path, method })
    return [statusCode, headers['content-type'] ?? null, (await body.text()).length, { ...trailers }]
  }
  const answers: unknown[] = [await one('/length'), await one('/length')]
  answers.push(...(await Promise.all(Array.from({ length: 20 }, (_, i) => one(i % 2 === 0 ? '/length' : '/chunked')))))
  answers.push(await one('/length', 'HEAD'), await one('/chunked', 'HEAD'), await one('/empty'), connections)
  await client.close()
  return answers
}

async function refused(): Promise<unknown> {
  const client = new Client(origin, { parser })
  const error = await client.request({ path: '/broken', method: 'GET' }).catch(codeOf)
  await client.close()
  return error
}

async function byPools(): Promise<unknown[]> {
  const pool = new Pool(origin, { parser, connections: 3 })
  const agent = new Agent({ parser })
  const answers = await Promise.all(
    Array.from({ length: 30 }, async (_, i) => {
      const { body } = await (i % 2 === 0 ? pool.request(get) : agent.request({ ...get, origin }))
      return (await body.arrayBuffer()).byteLength
    }),
  )
  const recorder = new Recorder()
  pool.dispatch({ path: '/chunked', method: 'GET' }, recorder)
  await recorder.ended
  await Promise.all([pool.close(), agent.close()])
  return [answers, recorder.body.length]
}

function scripts(): string[] {
  const urls: string[] = []
  const session = new inspector.Session()
  session.connect()
  session.on('Debugger.scriptParsed', ({ params }) => urls.push(params.url))
  session.post('Debugger.enable')
  session.disconnect()
  return urls
}

const results =
  mode === 'none' ? [await refused()] : [await early(), await byClient(), await byPools(), await refused()]
const loaded = scripts().some((url) => url.endsWith('/wire/script-engine.js'))
console.log(JSON.stringify({ results, loaded }))
