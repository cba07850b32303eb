import diagnosticsChannel from 'node:diagnostics_channel'

/** What came over one channel. */
export interface Heard {
  /** Without `undici:`. */
  readonly channel: string
  // biome-ignore lint/suspicious/noExplicitAny: each channel has a shape of its own, which the tests look at.
  readonly message: any
}

const names = [
  'request:create',
  'request:bodyChunkSent',
  'request:bodySent',
  'request:headers',
  'request:bodyChunkReceived',
  'request:trailers',
  'request:error',
  'client:sendHeaders',
  'client:beforeConnect',
  'client:connected',
  'client:connectError',
]

/** Subscribes to all channels of requests and clients until it is closed, and writes down what they say, in order. */
export class Listener {
  readonly heard: Heard[] = []
  readonly #subscriptions: [string, (message: unknown) => void][] = []

  /** `also`: called with each message, after it was written down. */
  constructor(also: (heard: Heard) => void = () => {}) {
    for (const channel of names) {
      const subscriber = (message: unknown) => {
        const heard = { channel, message }
        this.heard.push(heard)
        also(heard)
      }
      diagnosticsChannel.subscribe(`undici:${channel}`, subscriber)
      this.#subscriptions.push([`undici:${channel}`, subscriber])
    }
  }

  /** The channels in the order in which they spoke; only of one request, if given. */
  channels(request?: unknown): string[] {
    const { heard } = this
    const some = request === undefined ? heard : heard.filter(({ message }) => message.request === request)
    return some.map(({ channel }) => channel)
  }

  /** All messages of one channel. */
  of(channel: string): Heard['message'][] {
    return this.heard.filter((one) => one.channel === channel).map(({ message }) => message)
  }

  close(): void {
    for (const [name, subscriber] of this.#subscriptions) diagnosticsChannel.unsubscribe(name, subscriber)
  }
}
