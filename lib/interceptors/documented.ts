/** The types that undici documents beside its interceptors, under the same names. */
import type { Documented } from '../dispatcher/client-options.js'
import type { DecompressOptions } from './decompress.js'
import type { DNSOptions } from './dns.js'
import type { DumpOptions } from './dump.js'
import type { RedirectOptions } from './redirect-handler.js'
import type { ResponseErrorOptions } from './response-error.js'
import type { RetryOptions } from './retry-options.js'

export type DecompressInterceptorOpts = Documented<DecompressOptions>
export type DNSInterceptorOpts = Documented<DNSOptions>
export type DumpInterceptorOpts = Documented<DumpOptions>
export type RedirectInterceptorOpts = Documented<RedirectOptions>
export type ResponseErrorInterceptorOpts = Documented<ResponseErrorOptions>
export type RetryInterceptorOpts = RetryOptions
