import { unpollutedRequest } from '../base/prototype-pollution.js'
import { invalidOption, markSluiceOwned, RequestAbortedError } from '../errors.js'

const DUMP_LIMIT = 131072

export interface DumpOptions {
  limit?: number
  signal?: AbortSignal | null
}

/** A body that is to be dropped. */
export interface Dumped {
  /** Whether nothing of it is to come, or wanted. */
  readonly over: boolean
  /** Bytes that are still to come for certain. */
  readonly announced: number
  cancel(reason: unknown): void
  /** Ends when the body does, which is destroyed when more than `limit` bytes come. */
  drop(limit: number): Promise<void>
}

/** @throws {InvalidArgumentError} by rejection: an option is not what is documented */
export async function dump(body: Dumped, options: DumpOptions | null | undefined): Promise<void> {
  const { limit = DUMP_LIMIT, signal = null } = options ?? {}
  if (typeof limit !== 'number' || !(limit >= 0)) throw invalidOption('limit', 'a non-negative number of bytes', limit)
  if (signal !== null && (typeof signal !== 'object' || !('aborted' in signal))) {
    throw invalidOption('signal', 'an AbortSignal', signal)
  }
  const onAbort = () => body.cancel(signal?.reason)
  if (signal?.aborted) {
    onAbort()
    throw signal.reason
  }
  if (body.over) return
  if (body.announced > limit) return body.cancel(markSluiceOwned(new RequestAbortedError()))
  signal?.addEventListener('abort', onAbort, unpollutedRequest({ once: true }))
  await body.drop(limit)
  signal?.removeEventListener('abort', onAbort)
  if (signal?.aborted) throw signal.reason
}
