import type { TLSSocket } from 'node:tls'

/** LRU cache of TLS sessions. A session is resumed only for the same peer and options. */
export class SessionCache {
  readonly #sessions = new Map<string, Buffer>()
  readonly #limit: number

  constructor(limit: number) {
    this.#limit = limit
  }

  get(key: string): Buffer | undefined {
    const session = this.#sessions.get(key)
    if (session !== undefined) {
      this.#sessions.delete(key)
      this.#sessions.set(key, session)
    }
    return session
  }

  set(key: string, session: Buffer): void {
    if (this.#limit === 0) return
    this.#sessions.delete(key)
    this.#sessions.set(key, session)
    for (const oldest of this.#sessions.keys()) {
      if (this.#sessions.size <= this.#limit) break
      this.#sessions.delete(oldest)
    }
  }

  /** Removes a session, so that it is not offered again after a failed handshake. */
  delete(key: string): void {
    this.#sessions.delete(key)
  }
}

interface SessionSlot {
  readonly cache: SessionCache
  readonly key: string
}

const slots = new WeakMap<object, SessionSlot>()

/** Shared by all sockets. */
function onSession(this: TLSSocket, session: Buffer): void {
  const slot = slots.get(this)
  slot?.cache.set(slot.key, session)
}

/** Stores the TLS sessions that the server sends in the cache, under the key of `slot`. */
export function storeSessions(socket: TLSSocket, slot: SessionSlot): void {
  slots.set(socket, slot)
  socket.on('session', onSession)
}

/** Reverts {@link storeSessions}. */
export function stopStoringSessions(socket: object): void {
  if (slots.delete(socket)) (socket as TLSSocket).off('session', onSession)
}
