import { InformationalError } from '../errors.js'

/**
 * What a connection is doing, as three small machines and one joint rule (after RFC 9112 §9). A table says what an
 * event leads to; an event that a state does not list is a bug of ours or of the server, and ends the connection.
 */

/** Of responses. */
export type Reading = 'idle' | 'head' | 'body' | 'tunnel' | 'closed'
export type ReadingEvent = 'begin' | 'informational' | 'head' | 'end' | 'tunnel' | 'close'

/** Of requests. */
export type Writing = 'idle' | 'waiting' | 'body' | 'stopped'
export type WritingEvent = 'head' | 'expect' | 'continue' | 'end' | 'stop'

/** Whether the connection may carry another request. */
export type KeepAlive = 'alive' | 'last'

type Table<State extends string, Event extends string> = {
  readonly [from in State]: { readonly [event in Event]?: State }
}

const reading: Table<Reading, ReadingEvent> = {
  idle: { begin: 'head', close: 'closed' },
  head: { begin: 'head', informational: 'head', head: 'body', tunnel: 'tunnel', close: 'closed' },
  body: { end: 'idle', close: 'closed' },
  tunnel: { close: 'closed' },
  closed: { close: 'closed' },
}

const writing: Table<Writing, WritingEvent> = {
  idle: { head: 'body', expect: 'waiting', stop: 'stopped' },
  waiting: { continue: 'body', stop: 'stopped' },
  body: { end: 'idle', stop: 'stopped' },
  stopped: { stop: 'stopped', end: 'stopped', continue: 'stopped' },
}

export class ConnectionState {
  reading: Reading = 'idle'
  writing: Writing = 'idle'
  keepAlive: KeepAlive = 'alive'

  read(event: ReadingEvent): void {
    this.reading = step(reading, this.reading, event)
  }

  write(event: WritingEvent): void {
    this.writing = step(writing, this.writing, event)
  }

  /** The joint rule: another request may be written. */
  get mayWrite(): boolean {
    return (
      this.writing === 'idle' && this.keepAlive === 'alive' && this.reading !== 'closed' && this.reading !== 'tunnel'
    )
  }

  toString(): string {
    return `reading ${this.reading}, writing ${this.writing}, keep-alive ${this.keepAlive}`
  }
}

function step<State extends string, Event extends string>(
  table: Table<State, Event>,
  from: State,
  event: Event,
): State {
  const to = table[from][event]
  if (to === undefined)
    throw new InformationalError(`Connection in state "${from}" met the impossible event "${event}"`)
  return to
}
