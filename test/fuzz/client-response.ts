import { loadScriptEngine } from '../../lib/connection/engines.js'
import { Client } from '../../lib/index.js'
import type { WasmEngine } from '../../lib/wire/wasm-engine.js'
import { wasmEngine } from '../../lib/wire/wasm-engine.js'
import { type FakeSocket, fakeConnector, turns } from './fake-socket.js'
import { must } from './finding.js'
import { observe } from './observe.js'
import { Random } from './random.js'
import type { ResponseInput } from './response-input.js'

const wasm = wasmEngine() as WasmEngine

// Loads lazily imported modules first: a client that waits for one needs an unknown number of event-loop turns.
await loadScriptEngine()

interface Answer {
  readonly status: number
  readonly body: string
}

async function answerOf(client: Client, request: ResponseInput['requests'][number]): Promise<Answer | Error> {
  try {
    const { statusCode, body } = await client.request({ path: '/', method: request.method, idempotent: false })
    const bytes = Buffer.from(await body.arrayBuffer())
    return { status: statusCode, body: bytes.toString('latin1') }
  } catch (error) {
    return error as Error
  }
}

/**
 * Sends one request with a Client that receives the input in parts and then the close of the connection. The outcome must be
 * that of the parser alone, and nothing may be left open.
 * @throws {Finding}
 */
export async function tryThroughClient(input: ResponseInput, plan: number): Promise<void> {
  const random = new Random(plan)
  const method = random.once(4) ? 'HEAD' : 'GET'
  const requests = [{ method }]
  const sockets: FakeSocket[] = []
  const connect = fakeConnector({
    onSocket: (socket) => sockets.push(socket),
    onSent: (socket) => void serve(socket, input.raw, random),
  })
  const parser = random.once(2) ? 'js' : 'wasm'
  const client = new Client('http://fuzz.test', { connect, parser, keepAliveTimeout: 60_000 })
  const limits = { maxHeaderBytes: 16384, maxHeaderCount: 2000, maxChunkOverhead: 16384 }
  const expected = observe(wasm, { raw: input.raw, requests, eof: true, limits }, 0)
  const final = expected.messages.find((text) => Number(text.slice(0, 3)) >= 200)
  const done: { answer: Answer | Error | null } = { answer: null }
  void answerOf(client, { method }).then((answer) => {
    done.answer = answer
  })
  await turns(200 + input.raw.length, () => done.answer !== null)
  const { answer } = done
  must(answer !== null, 'the request must end')
  if (answer instanceof Error) {
    must(/^(HPE|UND_ERR)_/.test(String((answer as { code?: unknown }).code)), () => `unexpected error: ${answer.stack}`)
    must(
      final === undefined || sockets.length > 1,
      () => `a complete response arrived, but the request failed: ${answer.stack}`,
    )
  } else {
    must(final !== undefined, () => `got status ${answer.status} of an incomplete response`)
    must(final?.startsWith(String(answer.status)) === true, () => `got status ${answer.status}, expected ${final}`)
    must(final?.includes(`\n${answer.body}\n`) === true, () => `got body ${answer.body}, expected ${final}`)
  }
  await client.destroy()
  await turns(4)
  for (const socket of sockets) must(socket.destroyed, 'all sockets must be destroyed')
  must(wasm.used === 0, () => `${wasm.used} parser slots are still in use`)
}

/** Sends the input in parts, then closes. */
async function serve(socket: FakeSocket, raw: string, random: Random): Promise<void> {
  if (socket.sent.split('\r\n\r\n').length !== 2) return
  for (let at = 0; at < raw.length && !socket.destroyed; ) {
    const size = 1 + random.below(random.once(4) ? 8 : raw.length)
    socket.receive(raw.slice(at, at + size))
    at += size
    if (random.once(3)) await turns(1)
  }
  await turns(1)
  socket.receive(null)
}
