import { type Dispatcher, Pool } from 'undici'

/** A service's client: one pool, JSON in and out. */
export class Service {
  readonly #pool: Pool
  readonly #headers: Record<string, string>

  constructor(origin: string | URL, { token, ...options }: Pool.Options & { token?: string } = {}) {
    this.#pool = new Pool(origin, { connections: 10, pipelining: 1, keepAliveTimeout: 10_000, ...options })
    this.#headers = token === undefined ? {} : { authorization: `Bearer ${token}` }
  }

  get pool(): Pool {
    return this.#pool
  }

  async get<T>(path: string, query?: Record<string, unknown>): Promise<T> {
    const options: Dispatcher.RequestOptions = {
      path,
      method: 'GET',
      headers: { ...this.#headers, accept: 'application/json' },
    }
    if (query !== undefined) options.query = query
    const { statusCode, headers, body } = await this.#pool.request(options)
    if (statusCode >= 400) {
      await body.dump()
      throw new Error(`${statusCode} ${String(headers['content-type'])}`)
    }
    return (await body.json()) as T
  }

  async post(path: string, payload: object, signal?: AbortSignal): Promise<number> {
    const body = JSON.stringify(payload)
    const { statusCode, body: answer } = await this.#pool.request({
      path,
      method: 'POST',
      headers: { ...this.#headers, 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
      body,
      signal: signal ?? null,
      headersTimeout: 1000,
      bodyTimeout: null,
    })
    await answer.text()
    return statusCode
  }

  close(): Promise<void> {
    return this.#pool.close()
  }
}

/** A pool with other defaults is a pool. */
export class PatientPool extends Pool {
  readonly name: string

  constructor(origin: URL, options: Pool.Options = {}) {
    super(origin, { ...options, headersTimeout: 60_000 })
    this.name = origin.host
  }

  override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    return super.dispatch({ ...options, bodyTimeout: 0 }, handler)
  }

  override async close(): Promise<void>
  override close(callback: () => void): void
  override close(callback?: () => void): Promise<void> | void {
    return callback === undefined ? super.close() : super.close(callback)
  }
}

export const patient: Dispatcher = new PatientPool(new URL('http://localhost'))
// @ts-expect-error: a number of connections is a number
export const wrong = new Pool('http://localhost', { connections: '10' })
// @ts-expect-error: there is no such option
export const unknown = new Pool('http://localhost', { conections: 10 })
