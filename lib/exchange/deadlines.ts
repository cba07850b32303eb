import { Alarm, type AlarmListener, now, setImmediate } from '../base/clock.js'
import { unpollutedRequest } from '../base/prototype-pollution.js'
import { milliseconds, requireObject } from '../errors/option-checks.js'
import { refuseUnknownOptions } from '../errors/unknown-options.js'
import {
  addErrorContext,
  ConnectTimeoutError,
  QueueTimeoutError,
  TotalTimeoutError,
  UNSENT_CONTEXT,
} from '../errors.js'

/** Time limits of a request in ms. 0 or omitted: no limit. Specific to sluice. */
export interface Timeouts {
  /** Timeout in ms from dispatch until the request is sent on a connection, the time to connect included. Default: none. */
  queue?: number | null
  /**
   * Timeout in ms for establishing a connection for the request. As an option of a client, pool or agent: same as
   * `connectTimeout`. Default: none.
   */
  connect?: number | null
  /** Timeout in ms for the response headers. Default: `headersTimeout`. */
  headers?: number | null
  /** Timeout in ms between two chunks of the response body. Default: `bodyTimeout`. */
  body?: number | null
  /**
   * Timeout in ms from dispatch until the response has completed, all attempts of interceptors and the delays between
   * them included. Default: none.
   */
  total?: number | null
  /**
   * Time at which the request must be completed, in ms of `performance.now()`. `compose` derives it from {@link total},
   * for all attempts. Default: none.
   */
  deadline?: number | null
}

/** Total timeout and deadline that all attempts of a request share. */
export type SharedTimeouts = { readonly [name in 'total' | 'deadline']: number }

const NAMES = ['queue', 'connect', 'headers', 'body', 'total', 'deadline'] as const

/**
 * Checks the `timeouts` option, and returns the limits that were given.
 * @throws {InvalidArgumentError} a limit is not a number of ms
 */
export function checkTimeouts(given: unknown): { [name in (typeof NAMES)[number]]?: number } {
  // Without a prototype: a value put into `Object.prototype` must not become a limit.
  const checked: Record<string, number> = Object.create(null)
  if (given === undefined || given === null) return checked
  requireObject('timeouts', given)
  refuseUnknownOptions({ bag: 'timeouts', names: NAMES }, given)
  const own = unpollutedRequest(given) as Record<string, unknown>
  for (const name of NAMES) {
    const value = own[name]
    // For a deadline, only Infinity means no limit.
    const none = value === undefined || value === null || (name === 'deadline' && value === Number.POSITIVE_INFINITY)
    if (!none) checked[name] = milliseconds(`timeouts.${name}`, value, 0)
  }
  return checked
}

/** Time limits that the connection does not enforce itself; `null` if a request has none. */
export interface TimeLimits {
  readonly queue: number
  readonly connect: number
  /** Remaining ms at dispatch; 0 for no limit. */
  readonly total: number
  /** Configured ms, which error messages name. */
  readonly configuredTotal: number
}

/** Returns the time limits of a request, or `null` if it has none. */
export function timeLimitsOf(given: ReturnType<typeof checkTimeouts>, defaults: TimeLimits | null): TimeLimits | null {
  const { queue = defaults?.queue ?? 0, connect = 0, total: own, deadline } = unpollutedRequest(given)
  // A deadline in the past leaves no time, while 0 would mean no limit.
  const left = deadline === undefined ? Number.POSITIVE_INFINITY : Math.max(1, deadline - now())
  const configuredTotal = (own ?? defaults?.total) || Number.POSITIVE_INFINITY
  const total = Math.min(configuredTotal, left)
  if (queue === 0 && connect === 0 && total === Number.POSITIVE_INFINITY) return null
  if (total === Number.POSITIVE_INFINITY) return { queue, connect, total: 0, configuredTotal: 0 }
  const named = configuredTotal === Number.POSITIVE_INFINITY ? total : configuredTotal
  return { queue, connect, total, configuredTotal: named }
}

/**
 * Adds a deadline to options, so that all attempts of a request share its total timeout. `fallback`: the total timeout
 * of the dispatcher, in ms.
 */
export function withDeadline<Options extends object>(options: Options, fallback = 0): Options {
  const { timeouts } = options as { timeouts?: Timeouts | null }
  const total = timeouts?.total ?? fallback
  if (typeof total !== 'number' || !(total > 0) || timeouts?.deadline != null) return options
  return { ...options, timeouts: { ...timeouts, total, deadline: now() + total } }
}

/** Adds the total timeout and deadline of `limits`, so that all attempts of interceptors share the remaining time. */
export function withTotalTimeout<Options extends { timeouts?: Timeouts | null | undefined }>(
  options: Options,
  { total, configuredTotal }: TimeLimits,
): Options {
  const { timeouts } = options
  const deadline = timeouts?.deadline ?? now() + total
  return { ...options, timeouts: { ...timeouts, total: configuredTotal, deadline } }
}

/** Adds the total timeout of an earlier attempt, unless `options` have a deadline. */
export function withTimeoutsOf<Options extends object>(
  options: Options,
  timeouts: SharedTimeouts | null | undefined,
): Options {
  if (timeouts == null || deadlineOf(options) !== Number.POSITIVE_INFINITY) return options
  return { ...options, timeouts: { ...(options as { timeouts?: Timeouts }).timeouts, ...timeouts } }
}

/** Returns the deadline of a request in ms of `performance.now()`; `Infinity` if it has none. */
export function deadlineOf(options: object): number {
  return (options as { timeouts?: Timeouts | null }).timeouts?.deadline ?? Number.POSITIVE_INFINITY
}

/** Creates the error of the total timeout. `total`: the configured limit in ms. */
export function totalTimeoutError(total: number): Error {
  return new TotalTimeoutError(`Request not completed within ${Math.round(total)} ms (timeouts.total)`)
}

/** Request whose time limits {@link Deadlines} enforces. */
export interface TimeLimitedRequest {
  readonly done: boolean
  /** Whether the request was passed to a connection. */
  readonly sent: boolean
  /** Fails the request because a time limit has passed. */
  expire(error: Error): void
}

/** Enforces the queue, connect and total timeout of one request. */
export class Deadlines implements AlarmListener {
  readonly #request: TimeLimitedRequest
  readonly #limits: TimeLimits
  readonly #queue = new Alarm(this)
  readonly #connect = new Alarm(this)
  readonly #total = new Alarm(this)
  readonly #startedAt = now()
  #connecting = false

  constructor(request: TimeLimitedRequest, limits: TimeLimits) {
    this.#request = request
    this.#limits = limits
    if (limits.queue > 0) this.#queue.set(limits.queue)
    if (limits.total > 0) this.#total.set(limits.total)
  }

  /** Total timeout and deadline for further attempts; `null` without a limit. */
  get shared(): SharedTimeouts | null {
    const { total, configuredTotal } = this.#limits
    return total === 0 ? null : { total: configuredTotal, deadline: this.#startedAt + total }
  }

  /** Whether a connection is being established for the request. */
  get connecting(): boolean {
    return this.#connecting
  }

  /** Starts or stops the connect timeout. */
  setConnecting(connecting: boolean): void {
    this.#connecting = connecting
    if (!connecting) this.#connect.dispose()
    else if (this.#limits.connect > 0 && !this.#connect.pending) this.#connect.set(this.#limits.connect)
  }

  /** Handles that the request was passed to a connection. */
  onSent(): void {
    this.#connecting = false
    this.#queue.dispose()
    this.#connect.dispose()
  }

  stop(): void {
    this.onSent()
    this.#total.dispose()
  }

  onAlarm(alarm: Alarm): void {
    // Data that arrived while the event loop was busy is read in the poll phase, before the check phase.
    setImmediate(() => {
      if (this.#request.done || (alarm !== this.#total && this.#request.sent)) return
      this.#request.expire(this.#timeoutError(alarm))
    })
  }

  #timeoutError(alarm: Alarm): Error {
    const { queue, connect, configuredTotal } = this.#limits
    if (alarm === this.#total) return totalTimeoutError(configuredTotal)
    if (alarm === this.#connect) {
      return addErrorContext(
        new ConnectTimeoutError(`Connection not established within ${connect} ms (timeouts.connect)`),
        {
          ...UNSENT_CONTEXT,
          phase: 'connect',
        },
      )
    }
    return addErrorContext(
      new QueueTimeoutError(`Request not assigned to a connection within ${queue} ms (timeouts.queue)`),
      UNSENT_CONTEXT,
    )
  }
}
