import { faultOf } from '../errors/faults.js'
import { messageOf, readProperty } from '../errors/safe-read.js'
import { type Phase, RequestRetryError } from '../errors.js'
import { copyChunk } from '../exchange/body-chunks.js'
import type { DispatchOptions, RequestHeaders } from '../exchange/documented.js'
import { rereadableHeaders } from '../exchange/edit-headers.js'
import type { DispatchHandler } from '../exchange/handler.js'
import type { BodyInput } from '../exchange/request.js'
import { toRequestBody } from '../exchange/request-body.js'
import { locateRequest } from './wait.js'

/** Whether `body` can be sent more than once. False for a body that was already read, or is locked by another reader. */
export function isReplayable(body: BodyInput | undefined): boolean {
  if (Array.isArray(body)) return true
  try {
    const known = toRequestBody(body)
    return known === null || known.kind === 'bytes' || (known.kind === 'iterable' && known.replayable)
  } catch {
    return false
  }
}

const copies = new WeakSet<object>()

/** Copies the body bytes that `request` may send again. Called before `handler` learns that they were sent and may reuse them. */
export function copyReplayedBytes(request: DispatchOptions, handler: DispatchHandler): void {
  if (handler.onBodySent === undefined && handler.onRequestSent === undefined) return
  const { body } = request
  if (typeof body !== 'object' || body === null || copies.has(body) || !isReplayable(body)) return
  const copy = copyBody(body)
  if (copy === null) return
  copies.add(copy)
  request.body = copy as Buffer
}

/** Returns a copy of the bytes of `body`; null if none is needed. */
function copyBody(body: object & BodyInput): object | null {
  if (Array.isArray(body)) return body.map(copyChunk)
  const known = toRequestBody(body)
  return known?.kind === 'bytes' && known.shared ? known.bytes.slice() : null
}

/** Returns the error of a request that can not be retried because its body can be read only once. Errors of the body itself stay. */
export function notReplayableError(error: Error, request: DispatchOptions): Error {
  if (error instanceof RequestRetryError || faultOf(error) === 'user') return error
  const failure = new RequestRetryError(`${messageOf(error)}; not retried: the request body can be read only once`, 0)
  failure.cause = error
  const phase = readProperty(error, 'phase')
  return locateRequest(failure, request, typeof phase === 'string' ? { phase: phase as Phase } : {})
}

/** Returns `request` with headers that can be read for each attempt; those of an iterator can be read only once. */
export function withReusableHeaders(request: DispatchOptions): DispatchOptions {
  const headers = rereadableHeaders(request.headers)
  return headers === request.headers ? request : { ...request, headers: headers as RequestHeaders }
}
