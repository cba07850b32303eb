import { parseArgs } from 'node:util'

export const HELP = `make demo ARGS='[options]'

Runs every dispatcher against embedded origins and prints a table (20 seconds).
Exit code 1 when a response was wrong.

  --json    print JSON instead of text
  --quick   send a twentieth of the requests
  --spoil   make some origins answer wrongly, to show that it is noticed
  --help    print this text`

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
    spoil: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})

export const { json, spoil, help } = values

/** Returns the number of requests to send: a twentieth of `count` with `--quick`. */
export function requestCount(count: number): number {
  return values.quick ? Math.max(5, Math.round(count / 20)) : count
}

/** Returns a duration in ms: a third of `ms` with `--quick`. */
export function duration(ms: number): number {
  return values.quick ? ms / 3 : ms
}
