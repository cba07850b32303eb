import fc from 'fast-check'
import t from 'tap'
import { drive, engines } from './drive.js'
import { type Generated, streams } from './generate.js'

/** Streams to try: test/README.md says of how many it was run with. */
const RUNS = Number(process.env.SLUICE_PROPERTY_RUNS ?? 4_000)

t.setTimeout(0)

t.test('both engines make the same of whatever comes', async (t) => {
  const seen = new Map<string, number>()
  let complete = 0
  const outcome = ({ given, pieces }: Generated) =>
    engines.map(([name, engine]) => {
      const { messages, current, error, tunnelled } = drive(engine, given, pieces)
      const code = error === null ? 'accepted' : ((error as { code?: string }).code ?? error.message)
      if (name === 'js') {
        seen.set(code, (seen.get(code) ?? 0) + 1)
        complete += messages.length
      }
      return JSON.stringify([code, messages, current, tunnelled])
    })
  fc.assert(
    fc.property(streams, (stream) => {
      const [wasm, js] = outcome(stream)
      return wasm === js || fail(wasm as string, js as string)
    }),
    { numRuns: RUNS },
  )
  const told = [...seen].sort((a, b) => b[1] - a[1]).map(([code, times]) => `${code} ${times}`)
  t.comment(`${RUNS} streams, ${complete} complete messages; ${told.join(', ')}`)
  t.ok((seen.get('accepted') ?? 0) > RUNS / 10, 'many are accepted')
  t.ok(complete > RUNS / 2, 'many have complete messages')
  t.ok(seen.size >= 12, 'refused for many reasons')
})

function fail(wasm: string, js: string): never {
  throw new Error(`wasm: ${wasm.slice(0, 2_000)}\njs:   ${js.slice(0, 2_000)}`)
}
