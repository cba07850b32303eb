import http from 'node:http'
import { type Dispatcher, Pool, type PoolOptions } from '../../../lib/index.js'
import type { Fate } from './origin.js'

export type Init = Omit<RequestInit, 'dispatcher' | 'headers'> & { headers?: Record<string, string>; cache?: string }

/** What `/echo` answers. */
export interface Echo {
  method: string
  url: string
  rawHeaders: string[]
  length: number
  body: string
}

export const echoed = (response: Response): Promise<Echo> => response.json() as Promise<Echo>

/** Where the program's requests go, and over what. */
export class Surroundings {
  readonly origin: string
  readonly native: boolean
  readonly #control: string
  /** Goes to fetch by its option; none for the runtime's own. */
  #dispatcher: Dispatcher | undefined
  readonly #opened = new Set<Dispatcher>()
  /** Connections that the dispatchers told of. */
  connects = 0
  #keys = 0

  constructor(origin: string, control: string, native: boolean) {
    this.origin = origin
    this.native = native
    this.#control = control
    if (!native) this.#dispatcher = this.watch(new Pool(origin, { connections: 20 }))
  }

  /** Counts its connections, and closes it at the end. */
  watch<Kind extends Dispatcher>(dispatcher: Kind): Kind {
    this.#opened.add(dispatcher)
    dispatcher.on('connect', () => {
      this.connects++
    })
    return dispatcher
  }

  readonly fetch = (path: string | Request, init: Init = {}): Promise<Response> => {
    const url = typeof path === 'string' && path.startsWith('/') ? this.origin + path : path
    const dispatcher = this.#dispatcher
    return fetch(url, (dispatcher === undefined ? init : { dispatcher, ...init }) as RequestInit)
  }

  /** Fetches over another dispatcher for a while. */
  async over<Kind extends Dispatcher, Result>(
    dispatcher: Kind,
    action: (one: Kind) => Promise<Result>,
  ): Promise<Result> {
    const before = this.#dispatcher
    this.#dispatcher = this.watch(dispatcher)
    try {
      return await action(dispatcher)
    } finally {
      this.#dispatcher = before
      this.#opened.delete(dispatcher)
      await dispatcher.destroy()
    }
  }

  overPool<Result>(options: PoolOptions, action: (pool: Pool) => Promise<Result>): Promise<Result> {
    return this.over(new Pool(this.origin, options), action)
  }

  newKey(): string {
    return `key${++this.#keys}`
  }

  /** Asks the origin until what became of a request is as expected. */
  async fate(key: string, expected: (fate: Fate) => boolean): Promise<Fate> {
    for (;;) {
      const fate = (await this.#ask(`/fate?key=${key}`)) as Fate | null
      if (fate !== null && expected(fate)) return fate
    }
  }

  connections(): Promise<{ connections: number; open: number }> {
    return this.#ask('/') as Promise<{ connections: number; open: number }>
  }

  /** Not by fetch: it is under test. */
  async #ask(path: string): Promise<unknown> {
    const reply = await new Promise<http.IncomingMessage>((resolve, reject) => {
      http.get(this.#control + path, { agent: false }, resolve).on('error', reject)
    })
    let text = ''
    for await (const chunk of reply) text += chunk
    return JSON.parse(text)
  }

  async close(): Promise<void> {
    await Promise.all([...this.#opened].map((dispatcher) => dispatcher.close()))
  }
}

export type Scenario = (one: Surroundings) => Promise<unknown>

/** What an error says of itself and of its cause. */
export function tell(error: unknown): Record<string, unknown> {
  if (!(error instanceof Error)) return { thrown: error }
  const { name, message } = error
  const cause = error.cause as (Error & { code?: unknown }) | undefined
  return { name, message, ...(cause === undefined ? {} : { cause: cause.name, code: cause.code ?? null }) }
}

export function failure(promise: Promise<unknown>): Promise<Record<string, unknown>> {
  return promise.then(
    () => ({ name: 'no error' }),
    (error) => tell(error),
  )
}

/** A web stream of the given pieces. */
export function streamOf(pieces: readonly (string | Uint8Array)[]): ReadableStream<Uint8Array> {
  let next = 0
  return new ReadableStream({
    pull(controller) {
      const one = pieces[next++]
      if (one === undefined) controller.close()
      else controller.enqueue(typeof one === 'string' ? new TextEncoder().encode(one) : one)
    },
  })
}
