/** What an error says of the server it came from: the only place that judges errors by who caused them. */
import type { Fault } from './error-class.js'
import { readProperty, readSafely } from './safe-read.js'

/** Codes of undici's `Errors.md`, without `UND_ERR_`. All others are the peer's. */
const CODES: readonly (readonly [Fault, string])[] = [
  ['user', 'ABORT ABORTED INVALID_ARG INVALID_RETURN_VALUE NOT_SUPPORTED REQ_CONTENT_LENGTH_MISMATCH'],
  ['user', 'BPL_MISSING_UPSTREAM MAX_ORIGINS_REACHED'],
  ['lifecycle', 'CLOSED DESTROYED INFO'],
  ['timeout', 'CONNECT_TIMEOUT HEADERS_TIMEOUT BODY_TIMEOUT'],
  ['network', 'SOCKET PRX_CONN PRX_TLS'],
]

const ROOT = 'UND_ERR_'

/** Codes of the system that come without the name of a call, and those of TLS and of certificates. */
const ofNetwork =
  /^(E(?!RR)[A-Z\d]+|ERR_SSL_\w+|ERR_TLS_CERT_ALTNAME_INVALID|\w*CERT_\w+|\w+_CERT|UNABLE_TO_\w+|HOSTNAME_MISMATCH)$/

/** Errors of request bodies and abort reasons, whose class or code may be that of a network failure. */
const callerErrors = new WeakSet<object>()

/** Records that `error` came from the caller's side: from the source of a request body, or as the reason of an abort. */
export function markCallerFault(error: unknown): void {
  if (typeof error === 'object' && error !== null) callerErrors.add(error)
}

/** Who caused `error`; undefined when that is unknown. Errors of other libraries are classified by documented codes. */
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
  if (!code.startsWith(ROOT)) return typeof syscall === 'string' || ofNetwork.test(code) ? 'network' : undefined
  const name = code.slice(ROOT.length)
  return CODES.find(([, codes]) => codes.split(' ').includes(name))?.[0] ?? 'peer'
}

/**
 * Whether `error` says that the server does not work. What failed before the request was handed to a connection, or on
 * the caller's side, says nothing of it. `aborted`: the request was aborted.
 */
export function isServerFailure(error: unknown, aborted: boolean): boolean {
  const fault = faultOf(error)
  if (fault === 'timeout') return readProperty(error, 'phase') !== 'queued'
  return fault === 'user' || fault === 'lifecycle' ? false : !aborted
}
