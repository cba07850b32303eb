import type { Documented } from '../dispatcher/client-options.js'
import type { DecompressOptions } from './decompress.js'
import type { DNSOptions } from './dns.js'
import type { DumpOptions } from './dump.js'
import type { RedirectOptions } from './redirect-handler.js'
import type { ResponseErrorOptions } from './response-error.js'
import type { RetryOptions } from './retry-options.js'

/** Options of `interceptors.decompress`, under undici's name. */
export type DecompressInterceptorOpts = Documented<DecompressOptions>
/** Options of `interceptors.dns`, under undici's name. */
export type DNSInterceptorOpts = Documented<DNSOptions>
/** Options of `interceptors.dump`, under undici's name. */
export type DumpInterceptorOpts = Documented<DumpOptions>
/** Options of `interceptors.redirect`, under undici's name. */
export type RedirectInterceptorOpts = Documented<RedirectOptions>
/** Options of `interceptors.responseError`, under undici's name. */
export type ResponseErrorInterceptorOpts = Documented<ResponseErrorOptions>
/** Options of `interceptors.retry`, under undici's name. */
export type RetryInterceptorOpts = RetryOptions
