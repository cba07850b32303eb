import { arrivals } from '../harness/arrivals.js'
import { answer } from '../harness/channel.js'
import { Packages } from '../harness/packages.js'
import { BODY, contenders } from './contenders.js'

// A contender as a process.

export interface Task {
  contender: string
  urls: string[]
  /** ms */
  patience: number
  /** Where undici is; null when it is not wanted. */
  folder: string | null
  /** Requests per second. */
  rate: number
  seconds: number
}

export interface Told {
  requests: number
  failed: number
  /** ms, of all requests, those that failed included; in order. */
  latencies: number[]
  /** By URL: connections that failed. */
  refused: number[]
  /** ms by which a request was sent late at most. */
  late: number
}

answer({
  async run({ contender, urls, patience, folder, rate, seconds }: Task): Promise<Told> {
    const packages = folder === null ? null : new Packages(folder)
    const found = contenders.find(({ name }) => name === contender)
    if (found === undefined) throw new Error(`${contender}: no such contender`)
    const { pool, asked } = await found.open({ urls, patience, packages })
    const refused = urls.map(() => 0)
    pool.on('connectionError', ({ origin }) => {
      const index = urls.indexOf(origin)
      refused[index] = (refused[index] ?? 0) + 1
    })
    const latencies: number[] = []
    const ask = async () => {
      const { statusCode, body } = await asked.request({ path: '/', method: 'GET' })
      if ((await body.text()) !== BODY || statusCode !== 200) throw new Error('a wrong response')
    }
    const session = {
      send: (done: (error: Error | null) => void) => void ask().then(() => done(null), done),
      close: () => pool.destroy(),
    }
    const told = (latency: number) => void latencies.push(latency)
    const { requests, failures, latest } = await arrivals(session, {
      rate,
      warm: 0,
      seconds,
      histogram: { recordValue() {} } as never,
      onAnswer: told,
      onFailure: (_error, latency) => told(latency),
    })
    await session.close()
    return { requests, failed: failures, latencies: latencies.sort((a, b) => a - b), refused, late: latest }
  },
})
