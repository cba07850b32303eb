import { RequestRetryError } from '../errors.js'
import type { DispatchOptions } from '../exchange/documented.js'
import type { BodyInput } from '../exchange/request.js'
import { toRequestBody } from '../exchange/request-body.js'
import { flattenHeaders } from '../wire/headers.js'

/** It can be read a second time. What can not even be read now was read, or taken by somebody else. */
export function isRepeatable(body: BodyInput | undefined): boolean {
  if (Array.isArray(body)) return true
  try {
    const known = toRequestBody(body)
    return known === null || known.kind === 'bytes' || (known.kind === 'iterable' && known.replayable)
  } catch {
    return false
  }
}

/** Another try would make sense, but for a body that can be read once. */
export function notRepeatable(error: Error): Error {
  if (error instanceof RequestRetryError) return error
  const failure = new RequestRetryError(`${error.message}; the request body can not be sent again`, 0)
  failure.cause = error
  return failure
}

/** Fields out of an iterator can be read once, and are needed for each try. */
export function withLastingHeaders(request: DispatchOptions): DispatchOptions {
  const { headers } = request
  if (typeof headers !== 'object' || headers === null || !(Symbol.iterator in headers)) return request
  const once = typeof (headers as { next?: unknown }).next === 'function'
  return once ? { ...request, headers: flattenHeaders(headers) } : request
}
