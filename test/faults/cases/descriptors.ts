import { execFileSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { Pool } from '../../../lib/index.js'
import { ask, describe } from '../network-control.js'

// Opens more connections than the descriptor limit allows, and prints the outcomes.

const origin = process.argv[2] as string
const pool = new Pool(origin, { connections: 100, connectTimeout: 5000 })
// Loads lazily imported modules first.
await ask(pool, { path: '/bytes/1' })
const few = readdirSync('/proc/self/fd').length + 30
execFileSync('prlimit', ['--pid', String(process.pid), `--nofile=${few}:`])
const outcomes = await Promise.all(Array.from({ length: 100 }, () => ask(pool, { path: '/paced/300000' })))
const failures = outcomes.filter(({ error }) => error !== null)
const later = await Promise.all(Array.from({ length: 20 }, () => ask(pool, { path: '/bytes/10' })))
await pool.close()
console.log(
  JSON.stringify({
    answered: outcomes.length - failures.length,
    failed: failures.length,
    failures: [...new Set(failures.map(({ error }) => `${error?.code} ${error?.phase}`))],
    later: [...new Set(later.map(describe))],
    stats: pool.stats,
  }),
)
