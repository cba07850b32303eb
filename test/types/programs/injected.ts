import { Agent, Client, type Dispatcher, Pool, request } from 'undici'

/** As little of a dispatcher as is needed. */
export type Requester = Pick<Dispatcher, 'request' | 'close'>

export async function check(requester: Requester): Promise<boolean> {
  const { statusCode, body } = await requester.request({ path: '/health', method: 'GET' })
  await body.dump()
  return statusCode === 200
}

/** What tests put in its place. */
export const stub: Requester = {
  request: (async () => ({ statusCode: 200, body: { dump: async () => {} } })) as unknown as Dispatcher['request'],
  close: (async () => {}) as Dispatcher['close'],
}

type Made = ConstructorParameters<typeof Pool>
export function make(...[origin, options]: Made): Dispatcher {
  return new Pool(origin, options)
}

export class Registry<T extends Dispatcher> {
  readonly #all = new Map<string, T>()
  readonly #make: (origin: URL) => T

  constructor(make: (origin: URL) => T) {
    this.#make = make
  }

  of(origin: string): T {
    const known = this.#all.get(origin) ?? this.#make(new URL(origin))
    this.#all.set(origin, known)
    return known
  }

  async close(): Promise<void> {
    await Promise.all([...this.#all.values()].map((one) => one.close()))
  }
}

export const clients = new Registry((origin) => new Client(origin, { pipelining: 2 }))
export const depth: number = clients.of('http://localhost').pipelining
export const healthy: Promise<boolean>[] = [check(clients.of('http://a')), check(new Agent()), check(stub)]
export type Answer = Awaited<ReturnType<Dispatcher['request']>>
export type Timeouts = Pick<Client.Options, 'headersTimeout' | 'bodyTimeout' | 'connectTimeout'>
export const timeouts: Required<Timeouts> = { headersTimeout: 1, bodyTimeout: 2, connectTimeout: 3 }
export const status = (answer: Answer): number => answer.statusCode
export const first = request('http://localhost', { dispatcher: clients.of('http://localhost') }).then(status)
export const method: Dispatcher.HttpMethod = 'PATCH'

// @ts-expect-error: a client is of one origin
clients.of(80)
// @ts-expect-error: an agent is no client
export const agents: Registry<Client> = new Registry(() => new Agent())
