import { readProperty } from '../errors/safe-read.js'
import type { IncomingHeaders } from '../exchange/handler.js'
import type { RetrySettings } from './retry-options.js'

/** ms to wait before retry number `counter`, or null where none is to be made. */
export function retryDelay(error: Error, counter: number, request: { method: string; settings: RetrySettings }) {
  const { method, settings } = request
  if (!(counter <= settings.maxRetries) || !settings.methods.includes(method)) return null
  if (!isRetryable(error, settings)) return null
  const headers = readProperty(error, 'headers')
  const asked = settings.retryAfter && isHeaders(headers) ? retryAfterOf(headers['retry-after']) : null
  // Obeyed once: a server that keeps asking for an immediate retry would be asked without any pause.
  const atOnce = asked === 0 && counter === 1
  return Math.min(settings.maxTimeout, atOnce ? 0 : asked || backoffDelay(counter, settings))
}

/** The error may be the caller's, of any shape. */
function isRetryable(error: Error, { errorCodes, statusCodes }: RetrySettings): boolean {
  const code = readProperty(error, 'code')
  if (code === 'UND_ERR_REQ_RETRY') return statusCodes.includes(readProperty(error, 'statusCode') as number)
  const codes = [code]
  // A body is short because its connection ended: its `cause` says how.
  if (code === 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH') codes.push(readProperty(readProperty(error, 'cause'), 'code'))
  return codes.some((code) => typeof code === 'string' && errorCodes.includes(code))
}

function backoffDelay(counter: number, { minTimeout, timeoutFactor }: RetrySettings): number {
  return minTimeout === 0 ? 0 : minTimeout * timeoutFactor ** (counter - 1)
}

function isHeaders(headers: unknown): headers is IncomingHeaders {
  return typeof headers === 'object' && headers !== null && !Array.isArray(headers)
}

/** IMF-fixdate, the date of RFC 850, and asctime's (RFC 9110 §5.6.7). `Date.parse` alone takes "5 or so" for a date. */
const HTTP_DATE = [
  /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/,
  /^[A-Z][a-z]{5,8}, \d{2}-[A-Z][a-z]{2}-\d{2} \d{2}:\d{2}:\d{2} GMT$/,
  /^[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d{2}:\d{2}:\d{2} \d{4}$/,
]

/** `retry-after` in ms: seconds or a date in the future (RFC 9110 §10.2.3); null when it is neither. */
export function retryAfterOf(value: unknown): number | null {
  if (typeof value !== 'string') return null
  if (/^\d+(\.\d+)?$/.test(value)) return Number(value) * 1000
  if (!HTTP_DATE.some((form) => form.test(value))) return null
  const date = Date.parse(value.endsWith(' GMT') ? value : `${value} GMT`)
  const delay = date - Date.now()
  return delay > 0 ? delay : null
}
