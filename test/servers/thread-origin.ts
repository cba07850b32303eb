import { once } from 'node:events'
import { stat } from 'node:fs'
import { Worker } from 'node:worker_threads'
import type { Identity } from './certificates.js'

const PROGRAM = `
  const { parentPort, workerData } = require('node:worker_threads')
  const done = new Int32Array(workerData.done)
  let socket = null
  const notifyDone = () => {
    Atomics.add(done, 0, 1)
    Atomics.notify(done, 0)
  }
  const { identity } = workerData
  const onConnection = (one) => {
    socket = one
    socket.on('error', () => {})
    socket.on('data', (chunk) => parentPort.postMessage(chunk.toString('latin1')))
  }
  const server = identity === null
    ? require('node:net').createServer(onConnection)
    : require('node:tls').createServer(identity, onConnection)
  server.on('tlsClientError', () => {})
  parentPort.on('message', ({ write, end }) => {
    if (end === 'reset') socket.resetAndDestroy(), setImmediate(notifyDone)
    else if (end === 'fin') socket.end(write, notifyDone)
    else socket.write(write, notifyDone)
  })
  server.listen(0, '127.0.0.1', () => parentPort.postMessage(server.address().port))
`

/** An origin in a worker thread, which runs while this thread is blocked. */
export interface ThreadOrigin {
  readonly url: string
  /** Resolves with the next data that a client sends. */
  nextData(): Promise<string>
  /** Sends data on the newest connection, from the worker thread. */
  send(what: { write?: string; end?: 'fin' | 'reset' }): void
  /** Blocks this thread until all data was sent, and for at least `ms`. */
  block(ms: number): void
  close(): Promise<unknown>
}

export async function threadOrigin(identity: Identity | null = null): Promise<ThreadOrigin> {
  const done = new SharedArrayBuffer(4)
  const count = new Int32Array(done)
  const worker = new Worker(PROGRAM, { eval: true, workerData: { done, identity } })
  const [port] = await once(worker, 'message')
  let sentCount = 0
  return {
    url: `${identity === null ? 'http' : 'https'}://127.0.0.1:${port}`,
    nextData: async () => (await once(worker, 'message'))[0] as string,
    send: (what) => {
      sentCount++
      worker.postMessage(what)
    },
    block: (ms) => {
      const until = performance.now() + ms
      while (Atomics.load(count, 0) < sentCount) Atomics.wait(count, 0, Atomics.load(count, 0), 100)
      while (performance.now() < until);
    },
    close: () => worker.terminate(),
  }
}

export type LoopPhase = 'timers' | 'poll' | 'check' | 'jobs'

export const LOOP_PHASES: readonly LoopPhase[] = ['timers', 'poll', 'check', 'jobs']

/** Runs a function in a phase of the event loop. */
export function inPhase(phase: LoopPhase, run: () => void): Promise<void> {
  return new Promise((resolve) => {
    const once = () => {
      run()
      resolve()
    }
    if (phase === 'timers') setTimeout(once, 1)
    else if (phase === 'poll') stat('.', once)
    else if (phase === 'check') setImmediate(once)
    else queueMicrotask(once)
  })
}
