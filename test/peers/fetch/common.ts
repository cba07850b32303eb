import http from 'node:http'
import { type Dispatcher, getGlobalDispatcher, install, Pool, type PoolOptions, uninstall } from '../../../lib/index.js'
import type { RequestState, State } from './origin.js'

export type Init = Omit<RequestInit, 'dispatcher' | 'headers'> & { headers?: Record<string, string>; cache?: string }

/** Response of `/echo`. */
export interface Echo {
  method: string
  url: string
  rawHeaders: string[]
  length: number
  body: string
}

export const echoed = (response: Response): Promise<Echo> => response.json() as Promise<Echo>

/** Dispatcher of fetch: the runtime's own, one passed to each call, or the one that `install()` sets. */
export type Way = 'native' | 'dispatcher' | 'install'

/** Origin and dispatcher of the program's requests. */
export class Surroundings {
  readonly origin: string
  readonly way: Way
  readonly #control: string
  #dispatcher: Dispatcher | undefined
  readonly #opened = new Set<Dispatcher>()
  /** Connections that the dispatchers reported. */
  connects = 0
  #keys = 0

  constructor(origin: string, control: string, way: Way) {
    this.origin = origin
    this.way = way
    this.#control = control
    if (way === 'dispatcher') this.#dispatcher = this.watch(new Pool(origin, { connections: 20 }))
    if (way === 'install') {
      this.#dispatcher = this.watch(getGlobalDispatcher())
      install()
    }
  }

  /** Counts the connections of a dispatcher, and closes it at the end. */
  watch<Kind extends Dispatcher>(dispatcher: Kind): Kind {
    this.#opened.add(dispatcher)
    dispatcher.on('connect', () => {
      this.connects++
    })
    return dispatcher
  }

  readonly fetch = (path: string | Request, init: Init = {}): Promise<Response> => {
    const url = typeof path === 'string' && path.startsWith('/') ? this.origin + path : path
    return fetch(url, { ...this.options, ...init } as RequestInit)
  }

  /** Options that make fetch, and classes built on it, use the dispatcher under test. */
  get options(): object {
    return this.way === 'dispatcher' ? { dispatcher: this.#dispatcher } : {}
  }

  /** Runs `use` with another dispatcher for fetch. */
  async over<Kind extends Dispatcher, Result>(
    dispatcher: Kind,
    action: (one: Kind) => Promise<Result>,
    composed = false,
  ): Promise<Result> {
    const before = this.#dispatcher
    // A composed dispatcher emits the events of its base, which are counted already.
    this.#use(composed ? dispatcher : this.watch(dispatcher))
    try {
      return await action(dispatcher)
    } finally {
      this.#use(before)
      this.#opened.delete(dispatcher)
      await dispatcher.destroy()
    }
  }

  #use(dispatcher: Dispatcher | undefined): void {
    this.#dispatcher = dispatcher
    if (this.way === 'install') install(dispatcher)
  }

  overPool<Result>(options: PoolOptions, action: (pool: Pool) => Promise<Result>): Promise<Result> {
    return this.over(new Pool(this.origin, options), action)
  }

  newKey(): string {
    return `key${++this.#keys}`
  }

  /** Polls the origin until the outcome of a request is as expected. */
  async requestState(key: string, expected: (requestState: RequestState) => boolean): Promise<RequestState> {
    for (;;) {
      const requestState = (await this.#ask(`/request-state?key=${key}`)) as RequestState | null
      if (requestState !== null && expected(requestState)) return requestState
    }
  }

  state(): Promise<State> {
    return this.#ask('/') as Promise<State>
  }

  /** Sends a request by node:http, because fetch is under test. */
  async #ask(path: string): Promise<unknown> {
    const reply = await new Promise<http.IncomingMessage>((resolve, reject) => {
      http.get(this.#control + path, { agent: false }, resolve).on('error', reject)
    })
    let text = ''
    for await (const chunk of reply) text += chunk
    return JSON.parse(text)
  }

  /** Returns whose connections fetch uses after `uninstall()`. */
  async uninstall(): Promise<{ opened: number; ours: number }> {
    const [before, ours] = [await this.state(), this.connects]
    uninstall()
    await (await fetch(`${this.origin}/hello`)).text()
    const { connections } = await this.state()
    return { opened: connections - before.connections, ours: this.connects - ours }
  }

  async close(): Promise<void> {
    await Promise.all([...this.#opened].map((dispatcher) => dispatcher.close()))
  }
}

export type Scenario = (one: Surroundings) => Promise<unknown>

/** Describes an error and its cause. */
export function describeError(error: unknown): Record<string, unknown> {
  if (!(error instanceof Error)) return { thrown: error }
  const { name, message } = error
  const cause = error.cause as (Error & { code?: unknown }) | undefined
  return { name, message, ...(cause === undefined ? {} : { cause: cause.name, code: cause.code ?? null }) }
}

export function failure(promise: Promise<unknown>): Promise<Record<string, unknown>> {
  return promise.then(
    () => ({ name: 'no error' }),
    (error) => describeError(error),
  )
}

/** Creates a web stream of the given chunks. */
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
