import { missing } from '../../servers/program.js'
import { type Figures, faultsOf, race } from './race.js'

// `make race`: sends requests while nginx closes their connections, and prints the outcomes.

const rounds = Number(process.argv[2] ?? 100_000)

function show(name: string, figures: Figures): void {
  const { seconds, connections, replays, late, posts, postFailures } = figures
  const failed = Object.values(postFailures).reduce((sum, one) => sum + one, 0)
  const codes = Object.entries(postFailures).map(([code, times]) => `${code} ${times}`)
  const idempotent = Object.values(figures.idempotentFailures).reduce((sum, one) => sum + one, 0)
  console.log(`${name}: ${figures.rounds} rounds in ${seconds.toFixed(0)} s over ${connections} connections`)
  console.log(`  races hit: ${replays + failed}: ${replays} idempotent requests sent again, ${failed} POSTs failed`)
  if (late > 0) console.log(`  requests that came after the end: ${late}`)
  console.log(`  idempotent requests that failed: ${idempotent}`)
  console.log(
    `  POSTs: ${posts}, failed: ${failed} (${codes.join(', ')}), of these executed: ${figures.postsExecutedUnanswered}`,
  )
  console.log(`  POSTs executed twice: ${figures.postsExecutedTwice}; wrong answers or errors: ${figures.wrong.length}`)
}

const reason = missing('nginx', ['nginx', 'libnginx-mod-stream'])
if (reason !== false) throw new Error(reason)
const figures = { nginx: await race({ rounds, width: 21, delay: 0 }) } as Record<string, Figures>
figures['nginx, its ends up to 2 ms late'] = await race({ rounds: rounds / 5, width: 21, delay: 2 })
for (const [name, one] of Object.entries(figures)) {
  show(name, one)
  for (const fault of faultsOf(one)) {
    console.log(`  FAULT: ${fault}`)
    process.exitCode = 1
  }
}
