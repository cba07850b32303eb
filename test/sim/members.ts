import { EventEmitter } from 'node:events'
import { Client, type Dispatcher } from '../../lib/index.js'
import type { Random } from './random.js'
import type { UserCode } from './user-code.js'

const KINDS = ['composed', 'waiting', 'stub', 'silent stub', 'same'] as const
export type MemberKind = (typeof KINDS)[number]

export function drawMemberKind(random: Random): MemberKind {
  return random.pick(KINDS)
}

export interface MemberParts {
  readonly kind: MemberKind
  readonly random: Random
  readonly userCode: UserCode
  arrive(delay: number, run: () => void): void
}

type Dispatch = Dispatcher['dispatch']
type Interceptor = (dispatch: Dispatch) => Dispatch

/** A factory of pool members that are not plain Clients. */
export function memberFactory(parts: MemberParts): (origin: URL, options: object) => Dispatcher {
  const { kind, userCode } = parts
  const all = new Map<string, Client>()
  return (origin, options) => {
    userCode.run('factory')
    if (kind === 'same') {
      const known = all.get(origin.href)
      if (known !== undefined && !known.closed) return known
      const same = new Client(origin, options)
      all.set(origin.href, same)
      return same
    }
    const client = new Client(origin, options)
    if (kind === 'composed') return client.compose(passing)
    if (kind === 'waiting') return client.compose(waiting(parts))
    return new Stub(client, kind === 'stub') as unknown as Dispatcher
  }
}

const passing: Interceptor = (dispatch) => (options, handler) => dispatch(options, handler)

/** Delays some requests before it dispatches them. */
function waiting({ random, arrive }: MemberParts): Interceptor {
  return (dispatch) => (options, handler) => {
    if (random.chance(0.5)) return dispatch(options, handler)
    arrive(random.spread(0, 200), () => dispatch(options, handler))
    return true
  }
}

/** A dispatcher of another library: it has the methods that undici documents, and nothing else. */
class Stub extends EventEmitter {
  readonly #client: Client
  readonly #emits: boolean

  constructor(client: Client, emits: boolean) {
    super()
    this.#client = client
    this.#emits = emits
    if (!emits) return
    for (const event of ['connect', 'disconnect', 'connectionError', 'drain'] as const) {
      client.on(event as 'connect', (origin: URL, targets: readonly Dispatcher[], ...rest: unknown[]) => {
        this.emit(event, origin, [this, ...(targets ?? [])], ...rest)
      })
    }
  }

  dispatch(options: never, handler: never): boolean {
    const accepts = this.#client.dispatch(options, handler)
    // Without events it can not report free capacity.
    return accepts || !this.#emits
  }

  close(callback?: () => void): Promise<void> | void {
    return callback === undefined ? this.#client.close() : this.#client.close(callback)
  }

  destroy(error?: Error | null, callback?: () => void): Promise<void> | void {
    if (callback === undefined) return this.#client.destroy(error ?? null)
    this.#client.destroy(error ?? null, callback)
  }
}
