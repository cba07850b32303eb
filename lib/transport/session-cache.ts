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

  /** A session that a peer refused is not offered again. */
  delete(key: string): void {
    this.#sessions.delete(key)
  }
}
