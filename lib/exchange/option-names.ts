import { type KnownOptions, warnUnknownOptions } from '../errors/unknown-options.js'
import type { DispatchInput } from './request.js'

/** Options of requests: those of `dispatch`, of the methods and of interceptors. */
const REQUEST_OPTIONS: KnownOptions = {
  bag: 'a request',
  names: /* @__PURE__ */ (
    'origin path method body headers query idempotent blocking upgrade headersTimeout bodyTimeout timeouts reset ' +
    'expectContinue signal responseHeaders highWaterMark maxRedirections retryOptions'
  ).split(' '),
}

/** Number of first requests that are checked. */
const FIRST = 50

let count = 0

/** Warns of misspelled request options. A check takes longer than the rest of dispatch, so that few requests are checked. */
export function sampleRequestOptions(options: DispatchInput): void {
  if (++count < FIRST || count % 1024 === 0) warnUnknownOptions(REQUEST_OPTIONS, options)
}
