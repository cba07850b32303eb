import { unpollutedRequest } from '../base/prototype-pollution.js'
import { invalidOption, markSluiceOwned, RequestAbortedError } from '../errors.js'

const DUMP_LIMIT = 131072

/** Options of `body.dump`. Source: undici's `Dispatcher.md`. */
export interface BodyDumpOptions {
  /** Maximum number of bytes to discard before the connection is closed instead. Default: 131 072. */
  limit?: number
  /** Aborts the request with the signal's reason. Default: none. */
  signal?: AbortSignal | null
}

/** A body to discard. */
export interface DumpTarget {
  /** Whether the body has ended or was destroyed. */
  readonly ended: boolean
  /** Expected number of further bytes; 0 if unknown. */
  readonly expectedLength: number
  cancel(reason: unknown): void
  /** Resolves when the body has ended. Destroys it after more than `limit` bytes. */
  discard(limit: number): Promise<void>
}

/** Discards a body. @throws {InvalidArgumentError} by rejection: an option is invalid */
export async function dump(target: DumpTarget, options: BodyDumpOptions | null | undefined): Promise<void> {
  const { limit = DUMP_LIMIT, signal = null } = options ?? {}
  if (typeof limit !== 'number' || !(limit >= 0)) throw invalidOption('limit', 'a non-negative number of bytes', limit)
  if (signal !== null && (typeof signal !== 'object' || !('aborted' in signal))) {
    throw invalidOption('signal', 'an AbortSignal', signal)
  }
  const onAbort = () => target.cancel(signal?.reason)
  if (signal?.aborted) {
    onAbort()
    throw signal.reason
  }
  if (target.ended) return
  if (target.expectedLength > limit) return target.cancel(markSluiceOwned(new RequestAbortedError()))
  signal?.addEventListener('abort', onAbort, unpollutedRequest({ once: true }))
  await target.discard(limit)
  signal?.removeEventListener('abort', onAbort)
  if (signal?.aborted) throw signal.reason
}
