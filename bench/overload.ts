import { loadavg } from 'node:os'
import { parseArgs } from 'node:util'
import { affinity, start } from './harness/processes.js'
import {
  CLOCK,
  CONCURRENCY,
  complaints,
  FACTOR,
  growth,
  LIMITS,
  type Outcome,
  Overload,
  SERVICE,
} from './overload/soak.js'

// Three times what an origin can do, to a pool with a bounded queue: memory, wait and goodput must be as without overload.

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    /** Without limits, to see what they are for: all that waits is remembered, so this is short. */
    unlimited: { type: 'string', default: '5' },
  },
})

/** Seconds after which the capacity is measured anew: other processes may want more or less of the machine by then. */
const SLICE = 10
const LEAST = 0.95

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
  const bound = await affinity()
  const origin = start({ program: 'overload/origin.js', place: 'origin', affinity: bound })
  try {
    const url = await origin.channel.ask<string>('open', { concurrency: CONCURRENCY, service: SERVICE })
    console.log(`node ${process.version}; load average at the start ${loadavg()[0]?.toFixed(1)}`)
    console.log(
      `an origin that serves ${CONCURRENCY} at once for ${SERVICE} ms each; ${FACTOR} times as many arrive as it`,
    )
    console.log(`was measured to serve just before, for ${values.seconds} s; limits are ${JSON.stringify(LIMITS)}\n`)
    const titles = ['', 'requests', 'answered', 'queue full', 'queue timeout', 'goodput, of capacity']
    titles.push('wait p50 ms', 'p99', 'max', 'most queued', 'heap, first to last third')
    console.log(`| ${titles.join(' | ')} |\n| --- |${' --: |'.repeat(titles.length - 1)}`)
    const limited = await run(url, LIMITS, Number(values.seconds))
    console.log(row('limited', limited))
    const short = Number(values.unlimited)
    if (short > 0) console.log(row(`without limits, ${short} s`, await run(url, {}, short)))
    const theory = (1000 * CONCURRENCY) / SERVICE
    console.log(`\ncapacity ${limited.capacity.toFixed(0)}/s, ${theory} in theory; timers of Node for`)
    const waited = LIMITS.timeouts.queue + CLOCK
    console.log(
      `${waited} ms and one poll of the sockets, with each request let in: p99 ${limited.timers.toFixed(1)} ms`,
    )
    console.log(`load average at the end ${loadavg()[0]?.toFixed(1)}`)
    const all = complaints(limited, LEAST)
    for (const what of all) console.log(what)
    return all.length === 0 ? 0 : 1
  } finally {
    await origin.close()
  }
}

process.exitCode = await main()
