import { copyForRequest } from '../errors.js'

/** Receives null when a connection is established, or the error of the failed attempt. */
export type OpenCallback = (error: Error | null) => void

/** Callbacks that wait for the connection of a client, with or without queued requests. */
export class OpenCallbacks {
  readonly #callbacks: OpenCallback[] = []

  add(callback: OpenCallback): void {
    this.#callbacks.push(callback)
  }

  /** Calls all callbacks. Each receives its own copy of `error`. */
  notify(error: Error | null): void {
    for (const callback of this.#callbacks) callback(error === null ? null : copyForRequest(error))
  }
}
