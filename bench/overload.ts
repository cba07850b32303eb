import { loadavg } from 'node:os'
import { parseArgs } from 'node:util'
import { affinity, start } from './harness/processes.js'
import {
  CLOCK,
  CONCURRENCY,
  FACTOR,
  growth,
  LIMITS,
  type Outcome,
  Overload,
  SERVICE,
  violations,
} from './overload/overload.js'

// `make overload`: sends three times the capacity of an origin to a pool with a bounded queue. Memory, queue wait and goodput
// must be as without overload.

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    /** Seconds without limits, for comparison. Memory grows with each queued request, so this is short. */
    unlimited: { type: 'string', default: '5' },
  },
})

/** Seconds after which the capacity is measured again, as the load of the machine changes. */
const SLICE = 10
/** Minimum goodput, as a fraction of the capacity. */
const MIN_GOODPUT = 0.95

function row(name: string, outcome: Outcome): string {
  const { sent, answered, failed, goodput, wait, queued, heap } = outcome
  const counts = ['SLUICE_ERR_QUEUE_FULL', 'SLUICE_ERR_QUEUE_TIMEOUT'].map((code) => failed[code] ?? 0)
  const share = `${(goodput * 100).toFixed(1)} %`
  const times = [wait.p50, wait.p99, wait.max].map((ms) => ms.toFixed(0))
  const grown = `${(growth(heap) / 1e3).toFixed(0)} KB`
  return `| ${[name, sent, answered, ...counts, share, ...times, queued, grown].join(' | ')} |`
}

async function run(url: string, limits: object, seconds: number): Promise<Outcome> {
  const overload = new Overload(url, limits)
  for (let left = seconds; left > 0; left -= SLICE) {
    const length = Math.min(SLICE, left)
    await overload.slice({ seconds: length, samples: Math.ceil(length) })
  }
  return overload.close()
}

async function main(): Promise<number> {
  const cores = await affinity()
  const origin = start({ program: 'overload/origin.js', role: 'origin', affinity: cores })
  try {
    const url = await origin.channel.call<string>('open', { concurrency: CONCURRENCY, service: SERVICE })
    console.log(`node ${process.version}; load average at the start ${loadavg()[0]?.toFixed(1)}`)
    console.log(
      `The origin serves ${CONCURRENCY} requests at once, ${SERVICE} ms each. Requests arrive at ${FACTOR} times its measured capacity`,
    )
    console.log(`for ${values.seconds} s. Limits of the pool: ${JSON.stringify(LIMITS)}\n`)
    const titles = ['', 'requests', 'answered', 'queue full', 'queue timeout', 'goodput, % of capacity']
    titles.push('wait p50 ms', 'p99', 'max', 'max queued', 'heap growth')
    console.log(`| ${titles.join(' | ')} |\n| --- |${' --: |'.repeat(titles.length - 1)}`)
    const limited = await run(url, LIMITS, Number(values.seconds))
    console.log(row('limited', limited))
    const short = Number(values.unlimited)
    if (short > 0) console.log(row(`without limits, ${short} s`, await run(url, {}, short)))
    const theory = (1000 * CONCURRENCY) / SERVICE
    console.log(`\ncapacity ${limited.capacity.toFixed(0)} requests/s (theory: ${theory}); a Node timer of`)
    const timer = LIMITS.timeouts.queue + CLOCK
    console.log(
      `${timer} ms plus one poll of the sockets took ${limited.timers.toFixed(1)} ms (p99): the limit for p99 of the wait`,
    )
    console.log(`load average at the end ${loadavg()[0]?.toFixed(1)}`)
    const problems = violations(limited, MIN_GOODPUT)
    for (const problem of problems) console.log(`FAILED ${problem}`)
    return problems.length === 0 ? 0 : 1
  } finally {
    await origin.close()
  }
}

process.exitCode = await main()
