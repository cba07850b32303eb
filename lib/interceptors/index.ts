export { type DecompressOptions, decompress } from './decompress.js'
export { type DNSOptions, dns } from './dns.js'
export type {
  DNSInterceptorOriginRecords,
  DNSInterceptorRecord,
  DNSStorage,
  Lookup as DNSLookup,
} from './dns-records.js'
export type {
  DecompressInterceptorOpts,
  DNSInterceptorOpts,
  DumpInterceptorOpts,
  RedirectInterceptorOpts,
  ResponseErrorInterceptorOpts,
  RetryInterceptorOpts,
} from './documented.js'
export { type DumpOptions, dump } from './dump.js'
export { type HedgeOptions, hedge } from './hedge.js'
export { latency } from './latency.js'
export { redirect } from './redirect.js'
export type { RedirectOptions } from './redirect-handler.js'
export { type ResponseErrorOptions, responseError } from './response-error.js'
export { retry } from './retry.js'
export type { RetryInput, RetryInterceptorInput, RetryOptions } from './retry-options.js'
