/** Classifies errors by their cause. No other module decides whether an error is a failure of the server. */
import type { Fault } from './error-class.js'
import { readProperty, readSafely } from './safe-read.js'

/** Codes of undici's `Errors.md` by fault, without `UND_ERR_`. All other codes have the fault `peer`. */
const CODES: readonly (readonly [Fault, string])[] = [
  ['user', 'ABORT ABORTED INVALID_ARG INVALID_RETURN_VALUE NOT_SUPPORTED REQ_CONTENT_LENGTH_MISMATCH'],
  ['user', 'BPL_MISSING_UPSTREAM MAX_ORIGINS_REACHED'],
  ['lifecycle', 'CLOSED DESTROYED INFO'],
  ['timeout', 'CONNECT_TIMEOUT HEADERS_TIMEOUT BODY_TIMEOUT'],
  ['network', 'SOCKET PRX_CONN PRX_TLS'],
]

const CODE_PREFIX = 'UND_ERR_'

/** System error codes that occur without `syscall`, and codes of TLS and certificates. */
const ofNetwork =
  /^(E(?!RR)[A-Z\d]+|ERR_SSL_\w+|ERR_TLS_CERT_ALTNAME_INVALID|\w*CERT_\w+|\w+_CERT|UNABLE_TO_\w+|HOSTNAME_MISMATCH)$/

/** Errors of request bodies and abort reasons. Their class or code may look like a network failure. */
const callerErrors = new WeakSet<object>()

/** Records that the caller caused `error`: it is an abort reason, or an error of a request body. */
export function markCallerFault(error: unknown): void {
  if (typeof error === 'object' && error !== null) callerErrors.add(error)
}

/** Returns the cause of `error`, or undefined if unknown. Errors of other libraries are classified by documented codes. */
export function faultOf(error: unknown): Fault | undefined {
  return readSafely(() => classify(error), undefined)
}

function classify(error: unknown): Fault | undefined {
  if (typeof error !== 'object' || error === null) return undefined
  if (callerErrors.has(error)) return 'user'
  const { fault, code, syscall } = error as { fault?: Fault; code?: unknown; syscall?: unknown }
  if (CODES.some(([known]) => known === fault) || fault === 'peer') return fault
  if (typeof code !== 'string') return undefined
  if (code.startsWith('HPE_')) return 'peer'
  if (!code.startsWith(CODE_PREFIX)) return typeof syscall === 'string' || ofNetwork.test(code) ? 'network' : undefined
  const name = code.slice(CODE_PREFIX.length)
  return CODES.find(([, codes]) => codes.split(' ').includes(name))?.[0] ?? 'peer'
}

/**
 * Whether `error` is a failure of the server. Failures that the caller caused, and timeouts in the queue, are not.
 * `aborted`: whether the request was aborted.
 */
export function isServerFailure(error: unknown, aborted: boolean): boolean {
  const fault = faultOf(error)
  if (fault === 'timeout') return readProperty(error, 'phase') !== 'queued'
  return fault === 'user' || fault === 'lifecycle' ? false : !aborted
}
