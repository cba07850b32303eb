import { serve } from '../harness/channel.js'
import { openLoop } from '../harness/open-loop.js'
import { Packages } from '../harness/packages.js'
import { BODY, balanceClients } from './clients.js'

// Client process: measures one client.

export interface Task {
  client: string
  urls: string[]
  /** ms */
  timeout: number
  /** Folder in which undici is installed, or null. */
  folder: string | null
  /** Requests per second. */
  rate: number
  seconds: number
}

export interface ClientResult {
  requests: number
  failed: number
  /** Latencies of all requests in ms, failed ones included, sorted. */
  latencies: number[]
  /** Number of failed connections to each URL. */
  refused: number[]
  /** Maximum start delay of a request in ms. */
  late: number
}

serve({
  async run({ client, urls, timeout, folder, rate, seconds }: Task): Promise<ClientResult> {
    const packages = folder === null ? null : new Packages(folder)
    const found = balanceClients.find(({ name }) => name === client)
    if (found === undefined) throw new Error(`unknown client ${client}`)
    const { pool, requester } = await found.open({ urls, timeout, packages })
    const refused = urls.map(() => 0)
    pool.on('connectionError', ({ origin }) => {
      const index = urls.indexOf(origin)
      refused[index] = (refused[index] ?? 0) + 1
    })
    const latencies: number[] = []
    const send = async () => {
      const { statusCode, body } = await requester.request({ path: '/', method: 'GET' })
      if ((await body.text()) !== BODY || statusCode !== 200) throw new Error('wrong response')
    }
    const session = {
      send: (done: (error: Error | null) => void) => void send().then(() => done(null), done),
      close: () => pool.destroy(),
    }
    const record = (latency: number) => void latencies.push(latency)
    const { requests, failures, maxStartDelay } = await openLoop(session, {
      rate,
      warm: 0,
      seconds,
      histogram: { recordValue() {} } as never,
      onResponse: record,
      onFailure: (_error, latency) => record(latency),
    })
    await session.close()
    return { requests, failed: failures, latencies: latencies.sort((a, b) => a - b), refused, late: maxStartDelay }
  },
})
