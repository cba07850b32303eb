import { InformationalError } from '../errors.js'

/**
 * State of a connection: three small state machines and one joint rule (RFC 9112 §9). A table gives the next state for
 * each event and state. An event that is not allowed in the current state is a bug in sluice or in the server, and
 * closes the connection. States are numbers and an event is its table row, because every response takes three
 * transitions.
 */

/** States of reading responses. */
export const READING = { idle: 0, head: 1, body: 2, tunnel: 3, closed: 4 } as const
/** States of writing requests. */
export const WRITING = { idle: 0, waiting: 1, body: 2, stopped: 3 } as const
/** Whether the connection may send another request (`alive`), or closes after those in flight (`last`). */
export type KeepAlive = 'alive' | 'last'

/** Next state for each current state; -1 if the event is not allowed. */
type Transitions = readonly number[]

/** Events of reading. Columns: idle, head, body, tunnel, closed. */
export const READ = {
  begin: [READING.head, READING.head, -1, -1, -1],
  informational: [-1, READING.head, -1, -1, -1],
  head: [-1, READING.body, -1, -1, -1],
  end: [-1, -1, READING.idle, -1, -1],
  tunnel: [-1, READING.tunnel, -1, -1, -1],
  close: [READING.closed, READING.closed, READING.closed, READING.closed, READING.closed],
} as const

/** Events of writing. Columns: idle, waiting, body, stopped. */
export const WRITE = {
  head: [WRITING.body, -1, -1, -1],
  expect: [WRITING.waiting, -1, -1, -1],
  continue: [-1, WRITING.body, -1, WRITING.stopped],
  end: [-1, -1, WRITING.idle, WRITING.stopped],
  stop: [WRITING.stopped, WRITING.stopped, WRITING.stopped, WRITING.stopped],
} as const

/** State machine of a connection: reading, writing and keep-alive. */
export class ConnectionState {
  reading: number = READING.idle
  writing: number = WRITING.idle
  keepAlive: KeepAlive = 'alive'

  /** Applies an event of {@link READ}. */
  read(event: Transitions): void {
    const to = event[this.reading] as number
    if (to < 0) throw this.#invalidTransition(nameOf(READ, event))
    this.reading = to
  }

  /** Applies an event of {@link WRITE}. */
  write(event: Transitions): void {
    const to = event[this.writing] as number
    if (to < 0) throw this.#invalidTransition(nameOf(WRITE, event))
    this.writing = to
  }

  /** Whether another request may be written. */
  get mayWrite(): boolean {
    return this.writing === WRITING.idle && this.keepAlive === 'alive' && this.reading < READING.tunnel
  }

  toString(): string {
    const { reading, writing, keepAlive } = this
    return `reading ${nameOf(READING, reading)}, writing ${nameOf(WRITING, writing)}, keep-alive ${keepAlive}`
  }

  #invalidTransition(event: string): Error {
    return new InformationalError(`Unexpected connection event "${event}" (${this}): report this as a bug of sluice`)
  }
}

function nameOf(names: Record<string, unknown>, sought: unknown): string {
  return Object.keys(names).find((name) => names[name] === sought) as string
}
