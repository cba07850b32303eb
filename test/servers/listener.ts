import diagnosticsChannel from 'node:diagnostics_channel'

/** A message of one diagnostics channel. */
export interface ChannelMessage {
  /** Channel name without `undici:`. */
  readonly channel: string
  // biome-ignore lint/suspicious/noExplicitAny: each channel has its own message type
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

/** Subscribes to all channels of requests and clients until it is closed, and records their messages in order. */
export class Listener {
  readonly messages: ChannelMessage[] = []
  readonly #subscriptions: [string, (message: unknown) => void][] = []

  /** Subscribes. `also` is called with each message after it was recorded. */
  constructor(also: (published: ChannelMessage) => void = () => {}) {
    for (const channel of names) {
      const subscriber = (message: unknown) => {
        const published = { channel, message }
        this.messages.push(published)
        also(published)
      }
      diagnosticsChannel.subscribe(`undici:${channel}`, subscriber)
      this.#subscriptions.push([`undici:${channel}`, subscriber])
    }
  }

  /** Returns channel names in the order of their messages, optionally of one request only. */
  channels(request?: unknown): string[] {
    const { messages } = this
    const some = request === undefined ? messages : messages.filter(({ message }) => message.request === request)
    return some.map(({ channel }) => channel)
  }

  /** Returns all messages of one channel. */
  of(channel: string): ChannelMessage['message'][] {
    return this.messages.filter((one) => one.channel === channel).map(({ message }) => message)
  }

  close(): void {
    for (const [name, subscriber] of this.#subscriptions) diagnosticsChannel.unsubscribe(name, subscriber)
  }
}
