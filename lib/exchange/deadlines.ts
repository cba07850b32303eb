import { Alarm, type AlarmListener, now, setImmediate } from '../base/clock.js'
import { unpollutedRequest } from '../base/prototype-pollution.js'
import { milliseconds, requireObject } from '../errors/option-checks.js'
import {
  addErrorContext,
  ConnectTimeoutError,
  QueueTimeoutError,
  TotalTimeoutError,
  UNSENT_CONTEXT,
} from '../errors.js'

/** How long the parts of a request may take, in ms; 0 or left out: no limit of this kind. Ours. */
export interface Timeouts {
  /** From dispatch until it is handed to a connection, the opening of one included. Default: none. */
  queue?: number | null
  /** While a connection is being opened for it. Of a client, a pool or an agent: what `connectTimeout` is. Default: none. */
  connect?: number | null
  /** What `headersTimeout` is. Default: that. */
  headers?: number | null
  /** What `bodyTimeout` is. Default: that. */
  body?: number | null
  /** From dispatch until the response has ended, tries by interceptors and what lies between them included. Default: none. */
  total?: number | null
  /** When all has to be done, in ms of `performance.now()`; `compose` makes it of {@link total}, for all tries. Default: none. */
  deadline?: number | null
}

/** When a request must be done, with all its attempts. */
export type SharedTimeouts = { readonly [name in 'total' | 'deadline']: number }

const NAMES = ['queue', 'connect', 'headers', 'body', 'total', 'deadline'] as const

/** Only what was given. @throws {InvalidArgumentError} one is no number of ms */
export function checkTimeouts(given: unknown): { [name in (typeof NAMES)[number]]?: number } {
  // Whoever reads what is not there must not find what somebody put into `Object.prototype`.
  const checked: Record<string, number> = Object.create(null)
  if (given === undefined || given === null) return checked
  requireObject('timeouts', given)
  const own = unpollutedRequest(given) as Record<string, unknown>
  for (const name of NAMES) {
    const value = own[name]
    // A deadline has no 0 for no limit.
    const none = value === undefined || value === null || (name === 'deadline' && value === Number.POSITIVE_INFINITY)
    if (!none) checked[name] = milliseconds(`timeouts.${name}`, value, 0)
  }
  return checked
}

/** What has limits beyond those that its connection watches over; null for the many that have none. */
export interface TimeLimits {
  readonly queue: number
  readonly connect: number
  /** ms left when it was dispatched. */
  readonly total: number
  /** ms that were given, which errors name. */
  readonly configuredTotal: number
}

/** @returns null when nothing is limited */
export function timeLimitsOf(given: ReturnType<typeof checkTimeouts>, defaults: TimeLimits | null): TimeLimits | null {
  const { queue = defaults?.queue ?? 0, connect = 0, total: own, deadline } = unpollutedRequest(given)
  // What is past leaves no time; 0 would stand for any time.
  const left = deadline === undefined ? Number.POSITIVE_INFINITY : Math.max(1, deadline - now())
  const named = (own ?? defaults?.total) || Number.POSITIVE_INFINITY
  const total = Math.min(named, left)
  if (queue === 0 && connect === 0 && total === Number.POSITIVE_INFINITY) return null
  if (total === Number.POSITIVE_INFINITY) return { queue, connect, total: 0, configuredTotal: 0 }
  return { queue, connect, total, configuredTotal: named === Number.POSITIVE_INFINITY ? total : named }
}

/** All attempts of a request share its limit, or else `fallback`, that of its dispatcher. */
export function withDeadline<Options extends object>(options: Options, fallback = 0): Options {
  const { timeouts } = options as { timeouts?: Timeouts | null }
  const total = timeouts?.total ?? fallback
  if (typeof total !== 'number' || !(total > 0) || timeouts?.deadline != null) return options
  return { ...options, timeouts: { ...timeouts, total, deadline: now() + total } }
}

/** The time limit of an attempt holds for those that follow, where `options` have none. */
export function withTimeoutsOf<Options extends object>(
  options: Options,
  timeouts: SharedTimeouts | null | undefined,
): Options {
  if (timeouts == null || deadlineOf(options) !== Number.POSITIVE_INFINITY) return options
  return { ...options, timeouts: { ...(options as { timeouts?: Timeouts }).timeouts, ...timeouts } }
}

/** When it has to be done, in ms of `performance.now()`; Infinity where that was not said. */
export function deadlineOf(options: object): number {
  return (options as { timeouts?: Timeouts | null }).timeouts?.deadline ?? Number.POSITIVE_INFINITY
}

/** `total`: the limit that was given, in ms. */
export function totalTimeoutError(total: number): Error {
  return new TotalTimeoutError(`Request not completed within ${Math.round(total)} ms (timeouts.total)`)
}

/** What {@link Deadlines} end. */
export interface TimeLimitedRequest {
  readonly done: boolean
  /** It was handed to a connection. */
  readonly sent: boolean
  /** Ends it because a limit passed. */
  expire(error: Error): void
}

/** Ends a request whose time is over. */
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

  /** Those that further attempts share; null without a limit. */
  get shared(): SharedTimeouts | null {
    const { total, configuredTotal: named } = this.#limits
    return total === 0 ? null : { total: named, deadline: this.#startedAt + total }
  }

  /** A connection is being opened for it. */
  get connecting(): boolean {
    return this.#connecting
  }

  /** A connection is being opened for it, or not any more. */
  setConnecting(begun: boolean): void {
    this.#connecting = begun
    if (!begun) this.#connect.dispose()
    else if (this.#limits.connect > 0 && !this.#connect.pending) this.#connect.set(this.#limits.connect)
  }

  /** It is handed to a connection. */
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
    // What came while the event loop was busy is read in the poll phase, before the check phase.
    setImmediate(() => {
      if (this.#request.done || (alarm !== this.#total && this.#request.sent)) return
      this.#request.expire(this.#timeoutError(alarm))
    })
  }

  #timeoutError(alarm: Alarm): Error {
    const { queue, connect, configuredTotal: named } = this.#limits
    if (alarm === this.#total) return totalTimeoutError(named)
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
