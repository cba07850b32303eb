import { once } from 'node:events'
import { Worker } from 'node:worker_threads'

/** Forwards FIN and RST with a delay, so that a client sends requests after the server has closed. */
const PROGRAM = `
  const { parentPort, workerData } = require('node:worker_threads')
  const net = require('node:net')
  let turn = 0
  const proxies = workerData.ports.map((port) => net.createServer({ allowHalfOpen: true }, (client) => {
    const upstream = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true })
    client.setNoDelay(true)
    upstream.setNoDelay(true)
    let ended = false
    let late = false
    client.on('error', () => upstream.destroy())
    upstream.on('error', () => client.resetAndDestroy())
    client.on('close', () => upstream.destroy())
    client.on('end', () => upstream.end())
    upstream.on('data', (chunk) => client.write(chunk))
    client.on('data', (chunk) => {
      if (!ended) return void upstream.write(chunk)
      late = true
      parentPort.postMessage('late')
    })
    upstream.on('end', () => {
      ended = true
      upstream.end()
      const reset = turn++ % 2 === 0
      setTimeout(() => {
        if (reset || late) client.resetAndDestroy()
        else client.end()
      }, Math.random() * workerData.delay)
    })
  }))
  let listening = 0
  for (const proxy of proxies) {
    proxy.listen(0, '127.0.0.1', () => {
      if (++listening === proxies.length) parentPort.postMessage(proxies.map((one) => one.address().port))
    })
  }
`

/** Starts a proxy for each port, which forwards the close of a connection up to `delay` ms late, by FIN or RST. */
export interface LateProxy {
  readonly ports: readonly number[]
  /** Number of requests received on connections that the server had closed. */
  readonly late: number
  stop(): Promise<unknown>
}

export async function lateProxy(ports: readonly number[], delay: number): Promise<LateProxy> {
  const worker = new Worker(PROGRAM, { eval: true, workerData: { ports, delay } })
  const [own] = await once(worker, 'message')
  let late = 0
  worker.on('message', () => late++)
  return {
    ports: own,
    get late() {
      return late
    },
    stop: () => worker.terminate(),
  }
}
