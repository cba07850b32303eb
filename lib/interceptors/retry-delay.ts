import { readProperty } from '../errors/safe-read.js'
import type { IncomingHeaders } from '../exchange/handler.js'
import type { RetrySettings } from './retry-options.js'

/** Returns the delay before retry number `counter` in ms; null if the request is not retried. */
export function retryDelay(error: Error, counter: number, request: { method: string; settings: RetrySettings }) {
  const { method, settings } = request
  if (!(counter <= settings.maxRetries) || !settings.methods.includes(method)) return null
  if (!isRetryable(error, settings)) return null
  const headers = readProperty(error, 'headers')
  const requested = settings.retryAfter && isHeaders(headers) ? retryAfterOf(headers['retry-after']) : null
  // Only for the first retry: a server that always sends `retry-after: 0` would get requests without a pause.
  const atOnce = requested === 0 && counter === 1
  return Math.min(settings.maxTimeout, atOnce ? 0 : requested || backoffDelay(counter, settings))
}

/** Whether the options allow a retry after this error. The error may be the caller's, of any shape. */
function isRetryable(error: Error, { errorCodes, statusCodes }: RetrySettings): boolean {
  const code = readProperty(error, 'code')
  if (code === 'UND_ERR_REQ_RETRY') return statusCodes.includes(readProperty(error, 'statusCode') as number)
  const codes = [code]
  // A body is too short because its connection ended; `cause` has the socket error.
  if (code === 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH') codes.push(readProperty(readProperty(error, 'cause'), 'code'))
  return codes.some((code) => typeof code === 'string' && errorCodes.includes(code))
}

function backoffDelay(counter: number, { minTimeout, timeoutFactor }: RetrySettings): number {
  return minTimeout === 0 ? 0 : minTimeout * timeoutFactor ** (counter - 1)
}

function isHeaders(headers: unknown): headers is IncomingHeaders {
  return typeof headers === 'object' && headers !== null && !Array.isArray(headers)
}

/** Date formats: IMF-fixdate, RFC 850 and asctime (RFC 9110 §5.6.7). `Date.parse` alone accepts "5 or so". */
const HTTP_DATE = [
  /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/,
  /^[A-Z][a-z]{5,8}, \d{2}-[A-Z][a-z]{2}-\d{2} \d{2}:\d{2}:\d{2} GMT$/,
  /^[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d{2}:\d{2}:\d{2} \d{4}$/,
]

/** Parses `retry-after`, seconds or a date in the future (RFC 9110 §10.2.3), to ms. Returns null if invalid. */
export function retryAfterOf(value: unknown): number | null {
  if (typeof value !== 'string') return null
  if (/^\d+(\.\d+)?$/.test(value)) return Number(value) * 1000
  if (!HTTP_DATE.some((form) => form.test(value))) return null
  const date = Date.parse(value.endsWith(' GMT') ? value : `${value} GMT`)
  const delay = date - Date.now()
  return delay > 0 ? delay : null
}
