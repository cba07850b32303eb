import type { TLSSocket } from 'node:tls'

/** TLS sessions, least recently used out first. A session is used only for the very peer and options it came from. */
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

  /** Removes a session whose handshake failed, so that it is not offered again. */
  delete(key: string): void {
    this.#sessions.delete(key)
  }
}

interface SessionSlot {
  readonly cache: SessionCache
  readonly key: string
}

const slots = new WeakMap<object, SessionSlot>()

/** One function for all sockets. */
function onSession(this: TLSSocket, session: Buffer): void {
  const slot = slots.get(this)
  slot?.cache.set(slot.key, session)
}

/** Stores the sessions that the server sends in `slot`. */
export function storeSessions(socket: TLSSocket, slot: SessionSlot): void {
  slots.set(socket, slot)
  socket.on('session', onSession)
}

/** Removes what {@link storeSessions} added to the socket, if anything. */
export function stopStoringSessions(socket: object): void {
  if (slots.delete(socket)) (socket as TLSSocket).off('session', onSession)
}
