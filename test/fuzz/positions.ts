import { type Engine, PAUSED } from '../../lib/wire/engine.js'
import { must } from './finding.js'

const CHUNKED = /^transfer-encoding:.*chunked[ \t,]*\r$/im

/** Returns where an engine stops in its input buffer, and why. Limits depend on it. */
function stops(engine: Engine, length: number, limit: number): string {
  const handle = engine.allocate()
  const places: string[] = []
  let between = true
  for (let at = 0; at < length; ) {
    // The Parser accepts no other byte at the beginning of a message.
    if (between && engine.input[at] !== 0x48) break
    engine.record.reset()
    engine.record.limit = limit
    engine.record.base = engine.origin + at
    const code = engine.execute(handle, at, length)
    const fields = `${engine.record.count} fields, ${engine.data.length / 2} data`
    // The position of an error within headers does not matter.
    const where = code === PAUSED || (code !== 0 && !between) ? `, ${engine.position(handle)}` : ''
    places.push(fields + where)
    if (code !== PAUSED) {
      if (code !== 0) places.push(engine.errorName(code))
      break
    }
    const section = engine.input.latin1Slice(at, engine.position(handle))
    at = engine.position(handle)
    between = engine.messageComplete || !CHUNKED.test(section) || bodiless(engine.status(handle))
    if (between) engine.reset(handle)
    else engine.resume(handle)
  }
  engine.release(handle)
  return places.join('; ')
}

/** Codes of stops after which the Parser finishes the message itself. */
function bodiless(status: number): boolean {
  return status < 200 || status === 204 || status === 304
}

/**
 * Compares both engines.
 * @param limit Maximum number of fields in a section.
 * @throws {Finding} If the engines stop at different positions.
 */
export function tryPositions(raw: string, engines: readonly [Engine, Engine], limit: number): void {
  const length = Math.min(raw.length, 65536)
  const [one, other] = engines.map((engine) => {
    engine.input.latin1Write(raw.slice(0, length), 0)
    return stops(engine, length, limit)
  })
  must(one === other, () => `with ${limit} fields the engines stop at ${one} and ${other}`)
}
